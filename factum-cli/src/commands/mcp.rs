//! `factum mcp`: the commands as tools of the Model Context Protocol, over standard input and output, so that an
//! assistant in an editor asks the catalog and the store instead of guessing.
//!
//! Each call runs this program once more, with the tool's command and `--json`: an assistant gets what a person would,
//! and nothing that a person could not. Nothing is changed unless it was started with --allow-write.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, ToolAnnotations,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ErrorData, ServerHandler, ServiceExt as _};
use serde_json::Value;

use super::{Cx, Done};
use crate::error::CliError;

mod tools;

use tools::{TOOLS, Tool};

/// Offer the commands as tools to an assistant, over standard input and output (MCP)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Offer tools that change things too: requeue, pause, advance, publish
    #[arg(long)]
    allow_write: bool,
}

/// Longest run of a tool.
const RUN_MAX: Duration = Duration::from_secs(60);
/// Longer answers are cut: an assistant reads no more.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Tools that run at once.
const RUNS_MAX: usize = 4;

const INSTRUCTIONS: &str = "Facts about an event-driven system built with Factum: its contracts (events, commands, \
    fields, producers, consumers), its reliability policies, and what is recorded in its store. Ask `contract_show` \
    before writing code that sends or takes an event, `contract_check` after changing a contract, `reliability` before \
    proposing retries. Answers are JSON.";

struct Server {
    program: PathBuf,
    store: Option<String>,
    allows_writes: bool,
    runs: Arc<tokio::sync::Semaphore>,
}

pub(crate) async fn run(args: Args, cx: &mut Cx<'_>) -> Result<Done, CliError> {
    let program = std::env::current_exe()
        .map_err(|error| CliError::unreachable(format!("this program cannot be found: {error}")))?;
    let server = Server {
        program,
        store: cx.settings.store_if_any().map(str::to_owned),
        allows_writes: args.allow_write,
        runs: Arc::new(tokio::sync::Semaphore::new(RUNS_MAX)),
    };
    let cannot =
        |error: String| CliError::unreachable(format!("the conversation could not be held: {error}"));
    let running = match server.serve(rmcp::transport::stdio()).await {
        Ok(running) => running,
        // Nobody spoke: the other side went away before it said hello.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(Done::Clean),
        Err(error) => {
            return Err(cannot(error.to_string()).hint("it is started by an assistant, not by hand"));
        }
    };
    running.waiting().await.map_err(|error| cannot(error.to_string()))?;
    Ok(Done::Clean)
}

impl Server {
    fn tools(&self) -> impl Iterator<Item = &'static Tool> {
        let allows_writes = self.allows_writes;
        TOOLS.iter().filter(move |tool| allows_writes || !tool.writes)
    }

    /// Runs a tool's command; what it prints is the answer, what it refuses is an error that the assistant reads.
    async fn answer(&self, tool: &Tool, request: CallToolRequestParams) -> CallToolResult {
        let refused = |text: String| CallToolResult::error(vec![ContentBlock::text(text)]);
        let line = match tool.command_line(&request.arguments.unwrap_or_default()) {
            Ok(line) => line,
            Err(text) => return refused(text),
        };
        // Closed never: the permits live as long as the server.
        let _permit = self.runs.acquire().await;
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&line).stdin(Stdio::null()).kill_on_drop(true);
        if let Some(store) = &self.store {
            command.env("FACTUM_STORE", store);
        }
        let output = match tokio::time::timeout(RUN_MAX, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return refused(format!("the command could not be run: {error}")),
            Err(_) => return refused(format!("no answer within {RUN_MAX:?}; ask for less")),
        };
        let is_answer = !output.stdout.is_empty();
        let bytes = if is_answer { output.stdout } else { output.stderr };
        let text = cut(String::from_utf8_lossy(&bytes).trim());
        // Findings are an answer; a refusal is an error.
        match (is_answer, serde_json::from_str::<Value>(&text)) {
            (true, Ok(value @ Value::Object(_))) => CallToolResult::structured(value),
            (true, _) => CallToolResult::success(vec![ContentBlock::text(text)]),
            (false, _) => refused(text),
        }
    }
}

fn cut(text: &str) -> String {
    if text.len() <= ANSWER_BYTES_MAX {
        return text.to_owned();
    }
    let mut end = ANSWER_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n… cut at {ANSWER_BYTES_MAX} bytes; ask for less", &text[..end])
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("factum", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.tools().map(|tool| {
            let notes =
                ToolAnnotations::from_raw(None, Some(!tool.writes), Some(tool.writes), None, Some(false));
            rmcp::model::Tool::new(tool.name, tool.what, Arc::new(tool.schema())).with_annotations(notes)
        });
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = self.tools().find(|tool| tool.name == request.name) else {
            let is_write = TOOLS.iter().any(|tool| tool.name == request.name);
            let hint = if is_write {
                "it changes things: start `factum mcp` with --allow-write"
            } else {
                "list the tools"
            };
            let text = format!("there is no tool {:?}; {hint}", request.name);
            return Err(ErrorData::invalid_params(text, None));
        };
        Ok(self.answer(tool, request).await.into())
    }
}
