//! Detectors of foretaste, one file each. Adding one is a new file and one line in the list below.
//!
//! A detector never opens a file, reads a clock, starts a thread, draws global randomness or prints. It says what it
//! needs, folds batches into a state, and scores rows. What becomes of the scores is decided elsewhere.

mod columns;
mod content;
mod gallery;
mod gather;
mod planted;
mod texts;

foretaste_core::catalogue! {
    pub mod activation_clustering;
    pub mod centroid_distance;
    pub mod column_ends;
    pub mod confident_learning;
    pub mod fine_noise;
    pub mod gradient_isolation;
    pub mod gram_statistics;
    pub mod hidden_content;
    pub mod knn_label;
    pub mod knn_shapley;
    pub mod label_region;
    pub mod near_duplicate;
    pub mod outlier_distance;
    pub mod outlier_tail;
    pub mod patch_association;
    pub mod pattern_association;
    pub mod phrase_association;
    pub mod response_association;
    pub mod robust_covariance;
    pub mod robust_margin;
    pub mod separable_noise;
    pub mod sever;
    pub mod source_skew;
    pub mod spectral_signature;
    pub mod trimmed_loss;
    pub mod trimmed_residuals;
    pub mod value_association;
}

#[cfg(test)]
mod tests {
    use foretaste_core::{AtEffort, Effort};

    #[test]
    fn parameters_of_an_effort_exist_and_are_within_their_bounds() {
        for entry in super::ENTRIES {
            let usual = entry.detector(&Default::default()).unwrap();
            // defaults are those of the normal effort, which leaves out what only orders: no finding is lost by it
            let normal = usual.at(Effort::Normal);
            assert!(matches!(normal, AtEffort::Same | AtEffort::LeftOut), "{}: {normal:?}", entry.id);
            if normal == AtEffort::LeftOut {
                assert_eq!(usual.at(Effort::Quick), AtEffort::LeftOut, "{}", entry.id);
                assert_ne!(usual.at(Effort::Deep), AtEffort::LeftOut, "{}", entry.id);
            }
            for effort in Effort::ALL {
                if let AtEffort::With(more) = usual.at(effort) {
                    let params = more.iter().map(|(n, v)| ((*n).to_owned(), (*v).into())).collect();
                    entry.detector(&params).unwrap();
                }
            }
        }
    }

    #[test]
    fn ids_are_unique_and_found() {
        let mut ids: Vec<&str> = super::ENTRIES.iter().map(|e| e.id).collect();
        for id in &ids {
            assert_eq!(super::entry(id).unwrap().id, *id);
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), super::ENTRIES.len());
        assert!(super::entry("knn-labels").unwrap_err().hint().unwrap().contains("knn-label"));
    }
}
