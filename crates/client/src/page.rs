//! Listings: every entity of a path, whatever the paging style.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use futures::StreamExt;
use serde_json::{Value, json};
use url::Url;

use crate::call::{Call, Replay};
use crate::client::Client;
use crate::error::Error;

/// The page size Genesys Cloud uses when none is asked for.
const DEFAULT_SIZE: u32 = 25;
/// No real listing has this many pages; an endless one must end somewhere.
const MAX_PAGES: u32 = 100_000;

/// Says how a listing is cut into pages.
#[derive(Clone, Debug, PartialEq)]
pub enum PageStyle {
    /// `pageNumber` from 1; the pages after the first are fetched in parallel when their number is
    /// known.
    Offset,
    /// Each page names the next, by `nextUri` or by a cursor that goes into the named parameter.
    Cursor {
        /// The query parameter, `after` in most services and `cursor` in scans.
        param: String,
    },
    /// One answer holds everything.
    Unpaged,
    /// POST with `pageNumber` and `pageSize` in the body.
    Search {
        /// The rest of the body.
        body: Value,
    },
    /// POST with `pageSize`, and the `after` that the page before named, in the body.
    Query {
        /// The rest of the body.
        body: Value,
    },
}

impl PageStyle {
    /// Pages by cursor, in the parameter `after`.
    pub fn cursor() -> Self {
        Self::Cursor {
            param: "after".to_owned(),
        }
    }
}

/// Describes what to list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// The path.
    pub path: String,
    /// The query, without paging parameters.
    pub query: Vec<(String, String)>,
    /// How it is paged.
    pub style: PageStyle,
    /// The page size to ask for; the service's default when `None`.
    pub page_size: Option<u32>,
    /// The query parameter of the page size, `pageSize` in most services and `limit` in scans.
    pub size_param: String,
    /// The field that holds the entities; `entities` or `results`, whichever is there, if `None`.
    pub items: Option<String>,
}

impl Listing {
    /// Describes a listing without a query, with the service's own page size.
    pub fn new(path: impl Into<String>, style: PageStyle) -> Self {
        Self {
            path: path.into(),
            query: Vec::new(),
            style,
            page_size: None,
            size_param: "pageSize".to_owned(),
            items: None,
        }
    }

    /// Sets the page size to ask for.
    #[must_use]
    pub fn page_size(mut self, size: u32) -> Self {
        self.page_size = Some(size);
        self
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    fn base(&self) -> Call {
        let call = Call::get(self.path.clone());
        self.query
            .iter()
            .fold(call, |call, (name, value)| call.query(name, value))
    }

    fn sized(&self) -> Call {
        match self.page_size {
            Some(size) => self.base().query(&self.size_param, size),
            None => self.base(),
        }
    }

    /// Asks by a `POST`, which changes nothing all the same; `paging` says which page.
    fn posted(&self, body: &Value, paging: &str, page: Value) -> Call {
        let mut body = body.clone();
        if let Some(fields) = body.as_object_mut() {
            if !page.is_null() {
                fields.insert(paging.to_owned(), page);
            }
            let size = self.page_size.unwrap_or(DEFAULT_SIZE);
            fields.insert("pageSize".to_owned(), json!(size));
        }
        self.query
            .iter()
            .fold(Call::post(self.path.clone()), |call, (name, value)| {
                call.query(name, value)
            })
            .json(body)
            .replay(Replay::Safe)
    }

    fn numbered(&self, page: u32) -> Call {
        match &self.style {
            PageStyle::Search { body } => self.posted(body, "pageNumber", json!(page)),
            _ => self.sized().query("pageNumber", page),
        }
    }
}

/// Says why a listing is incomplete.
#[derive(Clone, Debug, thiserror::Error)]
#[error("listing {path} (org {org}), page {page}, after {received} entities")]
pub struct ListError {
    /// The label of the org.
    pub org: String,
    /// The path.
    pub path: String,
    /// The page that failed, from 1.
    pub page: u32,
    /// How many entities had been received before.
    pub received: usize,
    /// What was wrong with it.
    #[source]
    pub fault: ListFault,
}

/// Says what was wrong with a page.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ListFault {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] Error),
    /// The page, or its cursor, has been seen before: the listing would never end.
    #[error("the service repeats itself")]
    Repeating,
    /// The answer holds no list of entities.
    #[error("the answer holds no entities")]
    NotAList,
    /// The listing goes on longer than any real one.
    #[error("the listing does not end")]
    Endless,
}

/// One page, taken apart.
struct Page {
    items: Vec<Value>,
    total: Option<u64>,
    page_count: Option<u64>,
    page_size: Option<u64>,
    next: Option<Next>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Next {
    Uri(String),
    Cursor(String),
}

impl Page {
    fn read(mut body: Value, items: Option<&str>) -> Result<Self, ListFault> {
        if body.is_array() {
            body = json!({ "entities": body });
        }
        let text = |value: &Value| value.as_str().filter(|s| !s.is_empty()).map(str::to_owned);
        let next = text(&body["nextUri"]).map(Next::Uri).or_else(|| {
            [&body["cursors"]["after"], &body["cursor"], &body["after"]]
                .into_iter()
                .find_map(text)
                .map(Next::Cursor)
        });
        let mut page = Self {
            items: Vec::new(),
            total: body["total"].as_u64(),
            page_count: body["pageCount"].as_u64(),
            page_size: body["pageSize"].as_u64(),
            next,
        };
        let Some(fields) = body.as_object_mut() else {
            // Services that have nothing to list may answer with no body at all.
            return if body.is_null() {
                Ok(page)
            } else {
                Err(ListFault::NotAList)
            };
        };
        let candidates = match items {
            Some(name) => vec![name],
            None => vec!["entities", "results"],
        };
        let found = candidates.iter().find_map(|name| fields.remove(*name));
        match found {
            Some(Value::Array(items)) => page.items = items,
            Some(Value::Null) => {}
            // Fields that would be empty are left out by some services; totals are not.
            None if page.total == Some(0) || page.page_size.is_some() => {}
            _ => return Err(ListFault::NotAList),
        }
        Ok(page)
    }

    /// Returns how many pages there are, if the service says so.
    fn pages(&self, asked: Option<u32>) -> Option<u32> {
        let by_total = || {
            let size = self.size(asked);
            Some(self.total?.div_ceil(size))
        };
        let pages = self.page_count.or_else(by_total)?;
        Some(u32::try_from(pages).unwrap_or(MAX_PAGES).min(MAX_PAGES))
    }

    /// Says whether another page may follow, as far as this page alone can tell.
    fn full(&self, asked: Option<u32>) -> bool {
        matches!(self.next, Some(Next::Uri(_))) || self.items.len() as u64 >= self.size(asked)
    }

    /// The size in force: services clamp what was asked for without a word.
    fn size(&self, asked: Option<u32>) -> u64 {
        let asked = u64::from(asked.unwrap_or(DEFAULT_SIZE));
        self.page_size.unwrap_or(asked).max(1)
    }
}

/// Hands pages on, and stops a service that sends the same ones again.
struct Feed<'a, F> {
    client: &'a Client,
    listing: &'a Listing,
    sink: F,
    seen: HashSet<u64>,
    page: u32,
    received: usize,
    /// More than so many are not wanted at all.
    most: Option<u64>,
    too_many: bool,
}

impl<F: FnMut(Vec<Value>)> Feed<'_, F> {
    async fn fetch(&self, call: Call) -> Result<Page, ListFault> {
        let reply = self.client.send(call).await?;
        Page::read(reply.body, self.listing.items.as_deref())
    }

    fn accept(&mut self, items: Vec<Value>) -> Result<(), ListFault> {
        if items.is_empty() {
            return Ok(());
        }
        self.first_time(&items.iter().map(Value::to_string).collect::<Vec<_>>())?;
        self.received += items.len();
        (self.sink)(items);
        Ok(())
    }

    /// Remembers a page or a cursor by its hash: a listing may be long.
    fn first_time(&mut self, what: &impl Hash) -> Result<(), ListFault> {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        if self.seen.insert(hasher.finish()) {
            Ok(())
        } else {
            Err(ListFault::Repeating)
        }
    }

    fn turn(&mut self) -> Result<(), ListFault> {
        self.page += 1;
        if self.page > MAX_PAGES {
            return Err(ListFault::Endless);
        }
        Ok(())
    }

    async fn unpaged(&mut self) -> Result<(), ListFault> {
        let page = self.fetch(self.listing.sized()).await?;
        self.accept(page.items)
    }

    async fn numbered(&mut self) -> Result<(), ListFault> {
        let asked = self.listing.page_size;
        let first = self.fetch(self.listing.numbered(1)).await?;
        self.too_many = self.most.is_some_and(|most| first.total > Some(most));
        if self.too_many {
            return Ok(());
        }
        let known = first.pages(asked).unwrap_or(1);
        let mut more = first.full(asked) && !first.items.is_empty();
        // An answer longer than its own page size comes from a service that does not page.
        let unpaged = first.page_count.is_none() && first.items.len() as u64 > first.size(asked);
        self.accept(first.items)?;
        if unpaged {
            return Ok(());
        }
        if known > 1 {
            let (client, listing) = (self.client, self.listing);
            let width = client.inner.page_concurrency;
            let mut pages = futures::stream::iter(2..=known)
                .map(|number| async move {
                    let reply = client.send(listing.numbered(number)).await?;
                    Page::read(reply.body, listing.items.as_deref())
                })
                .buffered(width);
            while let Some(page) = pages.next().await {
                self.turn()?;
                let page = page?;
                more = page.full(asked) && !page.items.is_empty();
                // The list became shorter while it was read, or its total was wrong.
                if page.items.is_empty() {
                    break;
                }
                self.accept(page.items)?;
            }
        }
        // Some totals are wrong and some are missing: a full last page is not taken for the last.
        while more {
            self.turn()?;
            let page = self.fetch(self.listing.numbered(self.page)).await?;
            more = page.full(asked) && !page.items.is_empty();
            self.accept(page.items)?;
        }
        Ok(())
    }

    async fn query(&mut self, body: &Value) -> Result<(), ListFault> {
        let mut after = Value::Null;
        loop {
            let page = self
                .fetch(self.listing.posted(body, "after", after))
                .await?;
            let Some(next) = page.next.and_then(Next::cursor) else {
                return self.accept(page.items);
            };
            self.first_time(&next)?;
            self.accept(page.items)?;
            self.turn()?;
            after = json!(next);
        }
    }

    async fn cursor(&mut self, param: &str) -> Result<(), ListFault> {
        let mut call = self.listing.sized();
        loop {
            let page = self.fetch(call).await?;
            let Some(next) = page.next else {
                return self.accept(page.items);
            };
            // Checked first: a last page that names itself as the next is an endless loop, too.
            self.first_time(&next)?;
            // A scan may answer with empty pages between full ones; only its end has no cursor.
            self.accept(page.items)?;
            self.turn()?;
            call = match next {
                Next::Uri(uri) => Call::get(self.client.local_path(&uri)),
                Next::Cursor(cursor) => self.listing.sized().query(param, cursor),
            };
        }
    }
}

impl Next {
    /// Returns the cursor, which a link has in its query.
    fn cursor(self) -> Option<String> {
        match self {
            Self::Cursor(cursor) => Some(cursor),
            Self::Uri(uri) => {
                let (_, query) = uri.split_once('?')?;
                url::form_urlencoded::parse(query.as_bytes())
                    .find(|(name, _)| name == "after")
                    .map(|(_, cursor)| cursor.into_owned())
            }
        }
    }
}

impl Client {
    /// Fetches every entity of a listing, in the order of the service.
    ///
    /// What changes in the org meanwhile may be missed or seen twice: a listing is no snapshot.
    ///
    /// # Errors
    /// When a page cannot be fetched or read, or the service repeats itself.
    pub async fn list(&self, listing: &Listing) -> Result<Vec<Value>, ListError> {
        let mut all = Vec::new();
        self.for_each_page(listing, |mut page| all.append(&mut page))
            .await?;
        Ok(all)
    }

    /// Hands every page of a listing to `sink`, in order, holding only a few at a time.
    ///
    /// # Errors
    /// As [`Self::list`]; the pages before the failure have been handed on.
    pub async fn for_each_page(
        &self,
        listing: &Listing,
        sink: impl FnMut(Vec<Value>),
    ) -> Result<(), ListError> {
        self.feed(listing, None, sink).await?;
        Ok(())
    }

    /// Fetches every entity of a numbered listing, unless its first page says that there are more
    /// than `most`; then nothing else is fetched, and nothing returned.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_up_to(
        &self,
        listing: &Listing,
        most: u64,
    ) -> Result<Option<Vec<Value>>, ListError> {
        let mut all = Vec::new();
        let sink = |mut page: Vec<Value>| all.append(&mut page);
        let too_many = self.feed(listing, Some(most), sink).await?;
        Ok((!too_many).then_some(all))
    }

    /// Hands pages to `sink`; tells whether there were more entities than wanted.
    async fn feed(
        &self,
        listing: &Listing,
        most: Option<u64>,
        sink: impl FnMut(Vec<Value>),
    ) -> Result<bool, ListError> {
        let mut feed = Feed {
            client: self,
            listing,
            sink,
            seen: HashSet::new(),
            page: 1,
            received: 0,
            most,
            too_many: false,
        };
        let result = match &listing.style {
            PageStyle::Unpaged => feed.unpaged().await,
            PageStyle::Offset | PageStyle::Search { .. } => feed.numbered().await,
            PageStyle::Cursor { param } => feed.cursor(param).await,
            PageStyle::Query { body } => feed.query(body).await,
        };
        match result {
            Ok(()) => Ok(feed.too_many),
            Err(fault) => Err(ListError {
                org: self.org().to_owned(),
                path: listing.path.clone(),
                page: feed.page,
                received: feed.received,
                fault,
            }),
        }
    }

    /// Takes path and query from a link of the service; the token never follows its host.
    fn local_path(&self, uri: &str) -> String {
        let path = match Url::parse(uri) {
            Ok(url) => match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            },
            Err(_) => uri.to_owned(),
        };
        // A base URL may have a path of its own, which links repeat or not.
        let base = Url::parse(&self.inner.bases.api);
        let prefix = base
            .as_ref()
            .map_or("", |url| url.path().trim_end_matches('/'));
        match path.strip_prefix(prefix) {
            Some(rest) if !prefix.is_empty() && rest.starts_with('/') => rest.to_owned(),
            _ => path,
        }
    }
}
