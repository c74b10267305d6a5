//! What root found is shown to administrators, on their own page, until it is mended.

use hub_core::health::{Finding, Record};
use jiff::Timestamp;

use super::desk::Desk;

#[tokio::test]
async fn administrators_see_what_was_found_until_it_is_mended() {
    let desk = Desk::with_config("[roles]\nadmins = [\"ada\"]\nteachers = [\"bob\"]\n").await;
    let (mut ada, mut bob) = (desk.browser(), desk.browser());
    ada.log_in("ada").await;
    bob.log_in("bob").await;
    assert!(!ada.get("/hub/home").await.text().contains("needs attention"), "nobody has looked");

    std::fs::create_dir_all(desk.paths.findings().parent().unwrap()).unwrap();
    let keep = |findings| Record::new(Timestamp::now(), findings).save(&desk.paths).unwrap();
    keep(vec![Finding::problem("disk-space", "the disk of <b>homes</b> is full").because("nothing is saved").command("sudo df")]);
    let page = ada.get("/hub/home").await;
    for words in
        ["The hub needs attention", "&lt;b&gt;homes", "nothing is saved", "<code>sudo df</code>", "less than a minute ago"]
    {
        assert!(page.body.replace("&#60;", "&lt;").replace("&#62;", "&gt;").contains(words), "{words}: {}", page.body);
    }
    assert!(!bob.get("/hub/home").await.text().contains("needs attention"), "a teacher can do nothing about it");

    keep(Vec::new());
    assert!(!ada.get("/hub/home").await.text().contains("needs attention"));
}
