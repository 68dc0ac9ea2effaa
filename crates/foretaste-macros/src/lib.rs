//! One derive: a documented parameter struct becomes a catalogue entry.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, Fields, Lit, Meta, parse_macro_input, spanned::Spanned,
};

/// Emits `pub static ENTRY: Entry` for the struct, and its `Parameters`.
///
/// The id is the struct's name in kebab case, unless `#[entry(id = "...")]` gives another. The struct is a detector, unless
/// `#[entry(attack)]` or `#[entry(victim)]` says otherwise. Each field is a parameter: its
/// comment is the documentation, `#[param(min = 1, max = 100)]` its bounds, `Default` its default.
///
/// ```text
/// /// Labels that neighbours contradict.
/// #[derive(Clone, Debug, Catalogue)]
/// pub struct KnnLabel {
///     /// Number of neighbours.
///     #[param(min = 1, max = 1000)]
///     pub k: usize,
/// }
/// ```
#[proc_macro_derive(Catalogue, attributes(entry, param))]
pub fn catalogue(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> syn::Result<Tokens> {
    let name = &input.ident;
    let doc = doc_text(&input.attrs);
    if doc.trim().is_empty() {
        return Err(syn::Error::new(input.span(), "an entry needs a comment: it is the reference page"));
    }
    let title = doc.lines().next().unwrap_or_default().trim().trim_end_matches('.').to_owned();
    let (id, kind) = entry_options(input)?;
    let (variant, boxed) = match kind {
        Kind::Detector => (quote!(Detector), quote!(boxed)),
        Kind::Attack => (quote!(Attack), quote!(boxed_attack)),
        Kind::Victim => (quote!(Victim), quote!(boxed_victim)),
    };
    let make = quote! { ::foretaste_core::Make::#variant(|params| {
        ::std::result::Result::Ok(::foretaste_core::#boxed(#id, <#name as ::foretaste_core::Parameters>::with(params)?))
    }) };
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new(input.span(), "an entry is a struct"));
    };
    let (mut params, mut sets, mut gets) = (vec![], vec![], vec![]);
    if let Fields::Named(fields) = &data.fields {
        for field in &fields.named {
            let ident =
                field.ident.as_ref().ok_or_else(|| syn::Error::new(field.span(), "a field has a name"))?;
            let key = ident.to_string();
            let ty = &field.ty;
            let doc = doc_text(&field.attrs).trim().to_owned();
            if doc.is_empty() {
                return Err(syn::Error::new(
                    field.span(),
                    "a parameter needs a comment: it is its documentation",
                ));
            }
            let (min, max) = bounds(&field.attrs)?;
            params.push(quote! { ::foretaste_core::Param {
                name: #key,
                kind: <#ty as ::foretaste_core::ParamValue>::KIND,
                choices: <#ty as ::foretaste_core::ParamValue>::CHOICES,
                min: #min, max: #max, doc: #doc,
            } });
            sets.push(
                quote! { #key => { self.#ident = <#ty as ::foretaste_core::ParamValue>::read(value)?; } },
            );
            gets.push(quote! { #key => ::std::option::Option::Some(::foretaste_core::ParamValue::write(&self.#ident)) });
        }
    }
    Ok(quote! {
        impl ::foretaste_core::Parameters for #name {
            const ID: &'static str = #id;
            const PARAMS: &'static [::foretaste_core::Param] = &[#(#params),*];
            fn set(&mut self, name: &str, value: &::foretaste_core::catalogue::Json) -> ::std::result::Result<(), ::std::string::String> {
                match name { #(#sets)* _ => { let _ = value; return ::std::result::Result::Err("no such parameter".into()) } }
                #[allow(unreachable_code)]
                ::std::result::Result::Ok(())
            }
            fn get(&self, name: &str) -> ::std::option::Option<::foretaste_core::catalogue::Json> {
                match name { #(#gets,)* _ => ::std::option::Option::None }
            }
        }
        /// The catalogue entry of this module.
        pub static ENTRY: ::foretaste_core::Entry = ::foretaste_core::Entry {
            id: #id,
            title: #title,
            doc: #doc,
            params: <#name as ::foretaste_core::Parameters>::PARAMS,
            defaults: <#name as ::foretaste_core::Parameters>::values,
            make: #make,
            source: file!(),
        };
    })
}

/// What an entry is.
enum Kind {
    Detector,
    Attack,
    Victim,
}

/// The id, and what the entry is.
fn entry_options(input: &DeriveInput) -> syn::Result<(String, Kind)> {
    let mut id = kebab(&input.ident.to_string());
    let mut kind = Kind::Detector;
    for attr in input.attrs.iter().filter(|a| a.path().is_ident("entry")) {
        attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("attack") {
                kind = Kind::Attack;
            } else if meta.path.is_ident("victim") {
                kind = Kind::Victim;
            } else if meta.path.is_ident("id") {
                id = meta.value()?.parse::<syn::LitStr>()?.value();
            } else {
                return Err(meta.error("only `id`, `attack` and `victim` are known here"));
            }
            Ok(())
        })?;
    }
    Ok((id, kind))
}

fn bounds(attrs: &[Attribute]) -> syn::Result<(Tokens, Tokens)> {
    let none = quote! { ::std::option::Option::None };
    let (mut min, mut max) = (none.clone(), none);
    for attr in attrs.iter().filter(|a| a.path().is_ident("param")) {
        attr.parse_nested_meta(|meta| {
            let value: Expr = meta.value()?.parse()?;
            let some = quote! { ::std::option::Option::Some((#value) as f64) };
            if meta.path.is_ident("min") {
                min = some;
            } else if meta.path.is_ident("max") {
                max = some;
            } else {
                return Err(meta.error("only `min` and `max` are known here"));
            }
            Ok(())
        })?;
    }
    Ok((min, max))
}

fn doc_text(attrs: &[Attribute]) -> String {
    let mut lines = vec![];
    for attr in attrs.iter().filter(|a| a.path().is_ident("doc")) {
        if let Meta::NameValue(nv) = &attr.meta
            && let Expr::Lit(ExprLit { lit: Lit::Str(s), .. }) = &nv.value
        {
            let text = s.value();
            lines.push(text.strip_prefix(' ').unwrap_or(&text).to_owned());
        }
    }
    lines.join("\n")
}

fn kebab(camel: &str) -> String {
    let mut out = String::new();
    for (i, c) in camel.chars().enumerate() {
        if c.is_uppercase() {
            if i > 0 {
                out.push('-');
            }
            out.extend(c.to_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}
