//! Where stores with personal data are here: on a server, their keys in a schema beside them.

use std::path::PathBuf;

use factum::keys::{KeyOptions, MasterKey};
use factum::store::Opened;
use factum_conformance::postgres::{fresh_url, psql};

/// Where keys are found.
pub(crate) const KEYS: &str = "keys.key";

/// A schema with a store, one with its keys, and a folder for master keys.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) master: MasterKey,
    url: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, master: MasterKey::random().unwrap(), url: fresh_url() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) async fn open(&self) -> Opened {
        crate::kit::open(&self.url, KeyOptions::default().master(self.master.clone())).await
    }

    fn schema(&self) -> &str {
        self.url.split_once("schema=").unwrap().1.split('&').next().unwrap()
    }

    /// Names of the tables that hold these bytes: of keys in any page on the disk, of others in any row.
    pub(crate) fn holding(&self, bytes: &[u8]) -> Vec<String> {
        let (hex, store) = (hex(bytes), self.schema());
        let app = self.url.split_once("search_path%3D").unwrap().1;
        psql(&self.url, "checkpoint");
        let pages = format!(
            "select 'keys.' || c.relname from pg_class c where c.relnamespace = to_regnamespace('{store}_keys') \
             and c.relkind in ('r', 'i') \
             and position('\\x{hex}'::bytea in pg_read_binary_file(pg_relation_filepath(c.oid))) > 0"
        );
        let mut found: Vec<String> = psql(&self.url, &pages).lines().map(str::to_owned).collect();
        let tables = format!(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('{store}', '{app}')"
        );
        for table in psql(&self.url, &tables).lines() {
            let text = String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| hex.clone());
            let rows = format!(
                "select count(*) from {table} t where strpos(t::text, '{text}') > 0 or strpos(t::text, '{hex}') > 0"
            );
            if psql(&self.url, &rows) != "0" {
                found.push(table.to_owned());
            }
        }
        found.sort();
        found
    }

    /// The wrapped key of a subject, as it is kept.
    pub(crate) fn wrapped(&self, subject: &str) -> Option<Vec<u8>> {
        let keys = format!("{}_keys", self.schema());
        let sql = format!(
            "select encode(k.wrapped, 'hex') from {keys}.key k join {keys}.subject s on s.number = k.number \
             where s.subject = '{subject}'"
        );
        let found = psql(&self.url, &sql);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        (!found.is_empty()).then(|| found.as_bytes().chunks(2).map(byte).collect())
    }

    /// All that is kept of keys.
    pub(crate) fn keys(&self) -> Vec<u8> {
        let keys = format!("{}_keys", self.schema());
        ["ring", "subject", "key"]
            .map(|table| psql(&self.url, &format!("select t::text from {keys}.{table} t order by 1")))
            .join("\n")
            .into_bytes()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A store that nobody else opens.
pub(crate) async fn memory() -> Opened {
    Place::new().open().await
}
