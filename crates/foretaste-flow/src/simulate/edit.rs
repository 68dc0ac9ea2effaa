//! From what an attack returns to rows of the data set.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use arrow_array::builder::{BinaryBuilder, FixedSizeBinaryBuilder, LargeBinaryBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, GenericListArray, OffsetSizeTrait, RecordBatch, StringArray,
    StructArray, UInt8Array, UInt32Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, FieldRef};
use foretaste_core::{Edited, Image, Picked, Role};
use std::io::Cursor;
use std::sync::Arc;

/// The rows that an attack made, in the schema of the data set, and for each the position of its pattern in `picked`.
///
/// # Errors
/// If a value does not fit the type of its column.
pub fn rows(dataset: &Dataset, picked: &Picked, edited: &Edited) -> Result<(RecordBatch, Vec<usize>)> {
    let of: Vec<usize> = edited.of.clone().unwrap_or_else(|| (0..picked.len()).collect());
    let at: UInt32Array = of.iter().map(|i| *i as u32).collect();
    let base = super::pool::take(&picked.batch.records, &at)?;
    let mut columns: Vec<ArrayRef> = base.columns().to_vec();
    let set = |columns: &mut Vec<ArrayRef>, at: usize, values: &ArrayRef| -> Result<()> {
        let field = dataset.schema.field(at);
        columns[at] = fit(values, field)?;
        Ok(())
    };
    for (at, values) in &edited.columns {
        set(&mut columns, *at, values)?;
    }
    if let (Some(labels), Some(at)) = (&edited.labels, dataset.roles.iter().position(|r| *r == Role::Label)) {
        let names = labels.iter().map(|l| dataset.classes.get(*l as usize).map(String::as_str));
        let names: ArrayRef = Arc::new(names.collect::<StringArray>());
        set(&mut columns, at, &names)?;
    }
    if let (Some(images), Some(at)) = (&edited.images, dataset.positions(|r| r == Role::Image).first()) {
        columns[*at] = encode(images, dataset.schema.field(*at), &columns[*at])?;
    }
    let records = RecordBatch::try_new(Arc::clone(&dataset.schema), columns)?;
    Ok((records, of))
}

/// Casts values to the type of a column; a value that does not fit is an error, not a null.
pub fn fit(values: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let bad = |e: String| {
        Error::data(
            format!("a value does not fit column `{}` of type `{}`: {e}", field.name(), field.data_type()),
            "choose a value that the column can hold",
        )
    };
    let options = arrow_cast::CastOptions { safe: false, ..Default::default() };
    let fitted =
        arrow_cast::cast_with_options(values, field.data_type(), &options).map_err(|e| bad(e.to_string()))?;
    if !field.is_nullable() && fitted.null_count() > 0 {
        return Err(bad("it must not be missing".into()));
    }
    Ok(fitted)
}

/// Pictures in the way of their column: raw pixels as they are, files as PNG, which keeps every pixel.
fn encode(images: &[Option<Image>], field: &Field, old: &ArrayRef) -> Result<ArrayRef> {
    let raw = foretaste_formats::images::raw_shape(field).is_some();
    let bytes: Vec<Option<Vec<u8>>> = images
        .iter()
        .map(|i| i.as_ref().map(|i| if raw { Ok(i.pixels.clone()) } else { png(i) }).transpose())
        .collect::<Result<_>>()?;
    put(&bytes, old, field)
}

/// `bytes` in an array like `old`; where there are none, the old value stays.
fn put(bytes: &[Option<Vec<u8>>], old: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let unsupported = || {
        Error::data(
            format!(
                "pictures cannot be written into column `{}` of type `{}`",
                field.name(),
                field.data_type()
            ),
            "give pictures as bytes of a file or as raw pixels",
        )
    };
    Ok(match old.data_type() {
        DataType::Binary => {
            let mut out = BinaryBuilder::new();
            let old = old.as_binary::<i32>();
            for (i, b) in bytes.iter().enumerate() {
                out.append_option(b.as_deref().or_else(|| old.is_valid(i).then(|| old.value(i))));
            }
            Arc::new(out.finish())
        }
        DataType::LargeBinary => {
            let mut out = LargeBinaryBuilder::new();
            let old = old.as_binary::<i64>();
            for (i, b) in bytes.iter().enumerate() {
                out.append_option(b.as_deref().or_else(|| old.is_valid(i).then(|| old.value(i))));
            }
            Arc::new(out.finish())
        }
        DataType::FixedSizeBinary(n) => {
            let mut out = FixedSizeBinaryBuilder::new(*n);
            let old = old.as_fixed_size_binary();
            for (i, b) in bytes.iter().enumerate() {
                match b.as_deref().or_else(|| old.is_valid(i).then(|| old.value(i))) {
                    Some(b) => out.append_value(b)?,
                    None => out.append_null(),
                }
            }
            Arc::new(out.finish())
        }
        DataType::FixedSizeList(item, n) if *item.data_type() == DataType::UInt8 => {
            let list = old.as_fixed_size_list();
            let mut values = Vec::with_capacity(bytes.len() * *n as usize);
            for (i, b) in bytes.iter().enumerate() {
                match b {
                    Some(b) if b.len() == *n as usize => values.extend_from_slice(b),
                    _ => values.extend_from_slice(
                        list.value(i).as_primitive::<arrow_array::types::UInt8Type>().values(),
                    ),
                }
            }
            let child = Arc::new(UInt8Array::from(values));
            Arc::new(FixedSizeListArray::try_new(Arc::clone(item), *n, child, list.nulls().cloned())?)
        }
        DataType::List(item) if *item.data_type() == DataType::UInt8 => {
            Arc::new(lists::<i32>(bytes, old, item)?)
        }
        DataType::LargeList(item) if *item.data_type() == DataType::UInt8 => {
            Arc::new(lists::<i64>(bytes, old, item)?)
        }
        DataType::Struct(fields) => {
            let parts = old.as_struct();
            let at = fields.iter().position(|f| f.name() == "bytes").ok_or_else(unsupported)?;
            let mut columns = parts.columns().to_vec();
            columns[at] = put(bytes, &columns[at], &fields[at])?;
            Arc::new(StructArray::try_new(fields.clone(), columns, parts.nulls().cloned())?)
        }
        _ => return Err(unsupported()),
    })
}

fn lists<O: OffsetSizeTrait>(
    bytes: &[Option<Vec<u8>>],
    old: &ArrayRef,
    item: &FieldRef,
) -> Result<GenericListArray<O>> {
    let list = old.as_list::<O>();
    let (mut values, mut lengths) = (vec![], vec![]);
    for (i, b) in bytes.iter().enumerate() {
        let before = values.len();
        match b {
            Some(b) => values.extend_from_slice(b),
            None => values
                .extend_from_slice(list.value(i).as_primitive::<arrow_array::types::UInt8Type>().values()),
        }
        lengths.push(values.len() - before);
    }
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(GenericListArray::try_new(
        Arc::clone(item),
        offsets,
        Arc::new(UInt8Array::from(values)),
        list.nulls().cloned(),
    )?)
}

fn png(image: &Image) -> Result<Vec<u8>> {
    let kind = match image.channels {
        1 => image::ExtendedColorType::L8,
        2 => image::ExtendedColorType::La8,
        3 => image::ExtendedColorType::Rgb8,
        _ => image::ExtendedColorType::Rgba8,
    };
    let mut out = Cursor::new(vec![]);
    let encoder = image::codecs::png::PngEncoder::new(&mut out);
    image::ImageEncoder::write_image(encoder, &image.pixels, image.width, image.height, kind)
        .map_err(|e| Error::data(format!("a picture cannot be written as PNG: {e}"), ""))?;
    Ok(out.into_inner())
}
