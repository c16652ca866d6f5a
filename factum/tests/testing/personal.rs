//! A whole app whose contracts have personal data: sealed in its log, opened for its handlers, gone with the person.

use std::sync::{Arc, Mutex};

use factum::contract::CatalogSource;
use factum::testing::TestApp;
use factum::{
    Consumer, Context, Event, EventType, Failure, Handler, PartitionKey, Personal, Position, Query, Tag, Tags,
};

const CATALOG: CatalogSource = CatalogSource::new(
    r#"{"revision":1,"files":{
    "system.yaml":{"system":"club","services":{"club":{}}},
    "a.yaml":{"event":"member.joined","version":1,"owner":"club","key":"memberId","payload":{"type":"object",
      "required":["memberId","email"],"properties":{
      "memberId":{"type":"string","role":"identifier","personal":"self"},
      "email":{"type":"string","personal":"memberId"}}}}}}"#,
);

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    member_id: String,
    email: Personal<String>,
}

impl Event for Joined {
    const TYPE: EventType = EventType::event("member.joined", 1, "member", "member.joined");

    fn key(&self) -> PartitionKey {
        self.member_id.parse().unwrap()
    }

    fn tags(&self) -> Tags {
        Tags::new([Tag::new("memberId", &self.member_id).unwrap()]).unwrap()
    }
}

#[derive(Clone, Default)]
struct Welcome(Arc<Mutex<Vec<Option<String>>>>);

impl Handler<Joined> for Welcome {
    async fn handle(&self, joined: Joined, _: &mut Context<'_>) -> Result<(), Failure> {
        self.0.lock().unwrap().push(joined.email.into_known());
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_with_personal_data_seals_it_opens_it_and_forgets_it() {
    let welcome = Welcome::default();
    let consumer = welcome.clone();
    // quote: begin
    let app = TestApp::start(CATALOG, move |app| {
        app.consumer(Consumer::new("welcome").on::<Joined>(consumer.clone()))
    })
    .await;
    let id = app.given(&Joined { member_id: "m-1".into(), email: "ada@example.com".to_owned().into() }).await;
    app.settled(id).await.without_trouble();
    app.forget("m-1").await;
    // quote: end
    let log = app.store().read(&Query::all()).await.unwrap().events;
    assert!(!String::from_utf8_lossy(&log[0].envelope.data).contains("ada"), "sealed in the log");
    app.admin().reset(&"welcome".parse().unwrap(), Position::START, true).await.unwrap();
    app.settled(id).await.without_trouble();
    assert_eq!(*welcome.0.lock().unwrap(), [Some("ada@example.com".to_owned()), None]);
    app.stop().await;
}
