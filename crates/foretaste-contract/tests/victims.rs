//! Every law is asked of every victim of the catalogue.

use foretaste_contract::victims::LAWS;
use foretaste_victims::ENTRIES;

foretaste_contract::ask_laws! {
    LAWS, ENTRIES;
    documented "documented"
    parameters "parameters"
    learns "learns"
    probabilities "probabilities"
    threads "threads"
    bytes "bytes"
    blind "blind"
}
