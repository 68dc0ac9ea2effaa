//! Noise that tells classes apart better than what the pictures show.

use super::availability::members;
use super::planted::effect_words;
use super::{Claim, Facts, percent, samples};
use foretaste_core::{Action, Evidence, Kind, Lead, Scored, Severity, Table};
use foretaste_detectors::separable_noise::SHIFTS;
use foretaste_num::stats::binomial_sf;

/// Largest variation of a pattern's strength in the pictures of a class, as a share of its mean. It must be below that of their
/// contrast, too: things that are all cut out and lit alike are steady in both. In signs, clothes and digits as they are a median
/// class has 0.2 to 0.5. Of 43 classes of some 36 signs each (pictures for testing), six were steadier; of all others none.
const STEADY: f64 = 0.15;
/// Least share of a class that must be alike in it: what is left out must not be what makes the class vary.
const OF_CLASS: f64 = 0.7;
/// Share of the classes that may be steady by nature, far above what was seen, and level of the test that more are.
const BY_NATURE: f64 = 0.25;
const LEVEL: f64 = 0.01;
/// Classes whose pattern is tried on a model.
const TRIED: usize = 3;
/// Classes that are listed.
const LISTED: usize = 10;

/// True for leads that are decided here.
fn is_own(lead: &Lead) -> bool {
    lead.family == SHIFTS
}

fn number(lead: &Lead, name: &str) -> f64 {
    lead.number(name).unwrap_or(f64::INFINITY)
}

/// Positions (detector, lead) of the classes that a constant tells apart, the strongest first, and the p-value of so many of them; none
/// if nature may have made them.
fn constant(evidence: &Evidence) -> (Vec<(usize, usize)>, f64) {
    let at = |&(s, l): &(usize, usize)| &evidence.scored[s].leads[l];
    let all = evidence.scored.iter().enumerate().flat_map(|(s, d)| (0..d.leads.len()).map(move |l| (s, l)));
    let judged: Vec<(usize, usize)> = all.filter(|p| is_own(at(p))).collect();
    let steady = |lead: &Lead| {
        let variation = number(lead, Lead::VARIATION);
        let alike = lead.number(Lead::OF_CLASS).is_some_and(|share| share >= OF_CLASS);
        alike && variation <= STEADY && variation < number(lead, Lead::CONTRAST)
    };
    let mut out: Vec<(usize, usize)> = judged.iter().copied().filter(|p| steady(at(p))).collect();
    let p_value = binomial_sf(out.len() as u64, judged.len() as u64, BY_NATURE);
    if p_value > LEVEL {
        out.clear();
    }
    out.sort_by(|a, b| at(b).statistic.1.total_cmp(&at(a).statistic.1).then(a.cmp(b)));
    (out, p_value)
}

/// Positions of the leads whose effect on a model is worth measuring.
pub fn worth_trying(evidence: &Evidence) -> Vec<(usize, usize)> {
    let mut out = constant(evidence).0;
    out.truncate(TRIED);
    out
}

/// One finding over all classes that a constant tells apart.
pub fn decide(evidence: &Evidence, facts: &Facts<'_>) -> Option<Claim> {
    let (found, p_value) = constant(evidence);
    let leads: Vec<(&Scored, &Lead)> =
        found.iter().map(|(s, l)| (&evidence.scored[*s], &evidence.scored[*s].leads[*l])).collect();
    let (by, strongest) = *leads.first()?;
    let judged = by.leads.iter().filter(|l| is_own(l)).count();
    let rows: usize = leads.iter().map(|(_, l)| l.members.len()).sum();
    let members = leads.iter().flat_map(|(by, l)| members(by, l, facts, true)).collect();
    let title = format!(
        "pictures of {} of {judged} classes carry a pattern of their class ({}, {} of the data)",
        leads.len(),
        samples(rows),
        percent(rows, facts.dataset.rows)
    );
    let mut f = facts.finding(Kind::Availability, Severity::High, title, Action::Quarantine, members);
    f.detectors = vec![by.detector.clone()];
    f.clean_label = Some(true);
    f.decision.rule = "constant".into();
    f.decision.p_value = Some(p_value);
    f.trigger.clone_from(&strongest.trigger);
    f.effect.clone_from(&strongest.effect);
    let median = |name: &str| {
        let mut values: Vec<f64> = leads.iter().map(|(_, l)| number(l, name)).collect();
        values.sort_by(f64::total_cmp);
        100.0 * values[values.len() / 2]
    };
    f.why.push(format!(
        "In these classes, what tells a picture from those of other classes is equally strong in nearly all: it varies by {:.1} % of its mean, and their contrast by {:.0} % (median class). Things differ in light, size and cut; what was added to every picture does not.",
        median(Lead::VARIATION),
        median(Lead::CONTRAST)
    ));
    f.why.push(format!(
        "If up to {:.0} % of honest classes were so steady, as many would be by chance with p = {p_value:.1e}.",
        100.0 * BY_NATURE
    ));
    for (_, lead) in &leads {
        let class = lead.class.and_then(|c| facts.class(c)).unwrap_or_default();
        f.why.extend(lead.effect.as_ref().map(|e| effect_words(e, &class)));
    }
    f.why.push("A model learns the patterns and little of what the pictures show: it will look right on pictures like these and fail on others.".into());
    f.tables.push(table(&leads, facts));
    f.advice = "Get the pictures as they were before, or measure a model on pictures from elsewhere before you trust it. `foretaste clean` sets the samples aside, which leaves little or nothing of their classes."
        .into();
    Some(Claim { marks: vec![], finding: f })
}

fn table(leads: &[(&Scored, &Lead)], facts: &Facts<'_>) -> Table {
    let row = |(_, l): &(&Scored, &Lead)| {
        vec![
            l.class.and_then(|c| facts.class(c)).unwrap_or_default(),
            l.members.len().to_string(),
            format!("{:.1}", l.statistic.1),
            format!("{:.0} %", 100.0 * number(l, Lead::VARIATION)),
            format!("{:.0} %", 100.0 * number(l, Lead::CONTRAST)),
        ]
    };
    Table {
        title: "Patterns by class".into(),
        header: ["class", "pictures", "strength", "its variation", "that of contrast"]
            .map(String::from)
            .to_vec(),
        rows: leads.iter().take(LISTED).map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leads of classes with the given variation of strength and of contrast.
    fn evidence(classes: &[(f64, f64)]) -> Evidence {
        let lead = |(i, (variation, contrast)): (usize, &(f64, f64))| {
            let mut lead = Lead::new(Kind::Availability, "", vec![i as u64]);
            lead.family = SHIFTS.into();
            lead.statistic.1 = i as f64;
            lead.numbers = vec![
                (Lead::OF_CLASS.into(), 0.9),
                (Lead::VARIATION.into(), *variation),
                (Lead::CONTRAST.into(), *contrast),
            ];
            lead
        };
        let leads = classes.iter().enumerate().map(lead).collect();
        Evidence { scored: vec![Scored { leads, ..Scored::default() }] }
    }

    #[test]
    fn most_classes_have_to_be_steady() {
        let nature = [(0.5, 0.5); 10];
        assert!(worth_trying(&evidence(&nature)).is_empty());
        // steady, but so is the contrast: digits, all written alike
        assert!(worth_trying(&evidence(&[(0.14, 0.06); 10])).is_empty());
        let mut some = nature;
        some[..3].fill((0.05, 0.3));
        assert!(worth_trying(&evidence(&some)).is_empty());
        some[..6].fill((0.05, 0.3));
        some[6] = (0.14, 0.3);
        assert_eq!(worth_trying(&evidence(&some)), [(0, 6), (0, 5), (0, 4)]);
        // a part of each class only
        let mut part = evidence(&some);
        part.scored[0].leads.iter_mut().for_each(|l| l.numbers[0].1 = 0.5);
        assert!(worth_trying(&part).is_empty());
        // two classes say nothing, whatever they are
        assert!(worth_trying(&evidence(&[(0.01, 0.5); 2])).is_empty());
    }

    #[test]
    fn other_leads_do_not_count() {
        assert!(worth_trying(&Evidence::default()).is_empty());
        let mut other = evidence(&[(0.01, 0.5); 10]);
        other.scored[0].leads.iter_mut().for_each(|l| l.family.clear());
        assert!(worth_trying(&other).is_empty());
    }
}
