//! Cloning one org into another.

use crate::lab::{Lab, example};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gold_image_arrives_whole_and_nothing_is_left_to_do() {
    let lab = Lab::with_orgs(["gold", "tenant"]).await;
    lab.apply(&example("gold-org"), "gold").await;
    let gold = lab.export("gold").await;
    let gaps: Vec<String> = gold.gaps.iter().map(ToString::to_string).collect();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
    lab.apply(&gold, "tenant").await;
    let again = lab.plan(&gold, "tenant").await;
    assert!(again.is_empty(), "{:#?}", again.steps);
}
