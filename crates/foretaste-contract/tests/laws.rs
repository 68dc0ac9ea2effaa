//! Every law is asked of every detector of the catalogue.

use foretaste_contract::laws::LAWS;
use foretaste_detectors::ENTRIES;

foretaste_contract::ask_laws! {
    LAWS, ENTRIES;
    sharding "sharding"
    row_order "row-order"
    threads "threads"
    identity "identity"
    bytes "bytes"
    finite "finite"
    informative "informative"
    sign "sign"
    false_alarms "false-alarms"
    documented "documented"
    parameters "parameters"
}
