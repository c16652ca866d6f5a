//! A new project is built, tested and run; what is scaffolded into it compiles, and fails for the reasons that it states; a
//! planned slice goes from red to green, and only then is its plan true.
//!
//! One test, one folder: the project is compiled into the workspace's target, with the workspace's lock file.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::workshop::{environment, lock, root, workshop};

struct Project {
    folder: PathBuf,
}

impl Project {
    fn new() -> Self {
        let place = workshop("project");
        let mut command = Command::new(env!("CARGO_BIN_EXE_factum"));
        command.args(["new", "shop", "--factum"]).arg(root()).current_dir(&place);
        let answer = command.output().unwrap();
        assert!(answer.status.success(), "{}", text(&answer));
        let folder = place.join("shop");
        lock(&folder);
        Self { folder }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.join(inside)
    }

    fn call(&self, program: &str, args: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.folder).env_clear().envs(environment()).env("COLUMNS", "110");
        command.output().unwrap_or_else(|error| panic!("{program} cannot be started: {error}"))
    }

    fn factum(&self, args: &[&str]) -> String {
        let answer = self.call(env!("CARGO_BIN_EXE_factum"), args);
        format!("{}[exit {}]", text(&answer), answer.status.code().unwrap())
    }

    fn cargo(&self, args: &[&str]) -> (bool, String) {
        let answer = self.call("cargo", args);
        (answer.status.success(), text(&answer))
    }

    fn edit(&self, path: &str, change: impl Fn(&str) -> String) {
        let before = std::fs::read_to_string(self.path(path)).unwrap();
        let after = change(&before);
        assert_ne!(before, after, "{path} is as it was");
        std::fs::write(self.path(path), after).unwrap();
    }
}

fn text(answer: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr))
}

const SPEC: &str = "# Parcels\n\nRisk: low\n\n## Slice 1: parcels for paid orders\n\n\
    - [ ] when `payment.approved` arrives, orders publishes `parcel.packed` with `orderId`\n\
    - [ ] the same `payment.approved` twice packs one parcel\n";

#[test]
fn a_new_project_grows_by_scaffold_and_plan_from_red_to_green() {
    let project = Project::new();
    let (passes, said) = project.cargo(&["test"]);
    assert!(passes, "{said}");
    let (runs, said) = project.cargo(&["run"]);
    assert!(runs && said.contains("order.placed") && said.contains("payment.approved"), "{said}");

    scaffolds_compile_and_fail_for_their_reasons(&project);
    a_slice_goes_from_red_to_green(&project);
}

fn scaffolds_compile_and_fail_for_their_reasons(project: &Project) {
    project.edit("contracts/system.yaml", |text| {
        format!(
            "{text}  mail.send: {{ service: orders, on: [order.placed, payment.approved], idempotency: {{ by: event-id }} }}\n\
            projections:\n  paid_orders: {{ service: orders, on: [order.placed, payment.approved] }}\n"
        )
    });
    for (kind, name) in [
        ("consumer", "mail.send"),
        ("producer", "pay_order"),
        ("projection", "paid_orders"),
        ("saga", "fulfilment"),
        ("decider", "payment"),
    ] {
        let said = project.factum(&["scaffold", kind, name, "payment.approved", "--lang", "rust"]);
        assert!(said.ends_with("[exit 0]"), "{said}");
    }
    let said = project.factum(&["generate", "rust", "--contracts", "contracts", "--out", "src"]);
    assert!(said.ends_with("[exit 0]"), "{said}");
    let modules = "pub mod fulfilment;\npub mod mail_send;\npub mod paid_orders;\npub mod pay_order;\npub mod payment;\npub mod payments;\n";
    project.edit("src/lib.rs", |text| text.replace("pub mod payments;\n", modules));
    let (passes, said) = project.cargo(&["test", "--lib"]);
    assert!(!passes, "{said}");
    for reason in [
        "`mail.send` does not handle `payment.approved` yet",
        "`mail.send` does not handle `order.placed` yet",
        "`paid_orders` does not handle `payment.approved` yet",
        "`paid_orders` does not handle `order.placed` yet",
        "`payment.approved` is not emitted yet",
        "`fulfilment` does nothing about `payment.approved` yet",
        "`payment.approved` is not decided yet",
    ] {
        assert!(said.contains(reason), "{reason} is not in:\n{said}");
    }
    assert!(
        said.contains("payment_approved_begins_an_instance ... ok")
            && said.contains("asking_twice_is_quiet ... ok"),
        "{said}"
    );
    // What is not built yet is taken out again: a program starts only with all that its catalog lists.
    project.edit("src/lib.rs", |text| text.replace(modules, "pub mod payments;\n"));
    project.edit("contracts/system.yaml", |text| text.split("  mail.send:").next().unwrap().to_owned());
    project.factum(&["generate", "rust", "--contracts", "contracts", "--out", "src"]);
}

fn a_slice_goes_from_red_to_green(project: &Project) {
    std::fs::write(project.path("parcels.md"), SPEC).unwrap();
    let said = project.factum(&["plan", "parcels.md", "--slice", "1", "--scaffold"]);
    assert!(said.ends_with("[exit 0]"), "{said}");
    let outer = || project.cargo(&["test", "--test", "slice_1_parcels", "outer::"]);
    let fails = |because: &str| {
        let (passes, said) = outer();
        assert!(!passes && said.contains(because), "{because} is not in:\n{said}");
    };
    fails("there is no contract `parcel.packed`");
    project.factum(&["generate", "rust", "--contracts", "contracts", "--out", "src"]);
    fails("`parcel.packed` is not emitted");

    let handler = "//! Packs a parcel for every paid order.\n\nuse factum::prelude::*;\n\nuse crate::contracts::{ParcelPacked, PaymentApproved};\n\n\
        /// Packs.\n#[derive(Debug, Clone, Copy)]\npub struct Pack;\n\nimpl Handler<PaymentApproved> for Pack {\n\
        \x20   async fn handle(&self, event: PaymentApproved, cx: &mut Context<'_>) -> Result<(), Failure> {\n\
        \x20       cx.emit(&ParcelPacked::new(event.order_id().to_string().try_into()?));\n        Ok(())\n    }\n}\n";
    std::fs::write(project.path("src/pack.rs"), handler).unwrap();
    project.edit("src/lib.rs", |text| text.replace("pub mod payments;\n", "pub mod pack;\npub mod payments;\n").replace(
        "payments::consumer())",
        "payments::consumer()).consumer(factum::Consumer::new(\"orders.pack\").on::<contracts::PaymentApproved>(pack::Pack))",
    ));
    project.edit("contracts/system.yaml", |text| {
        format!("{text}  orders.pack: {{ service: orders, on: [payment.approved], emits: [parcel.packed], idempotency: {{ by: orderId }} }}\n")
    });
    let said = project.factum(&["generate", "rust", "--contracts", "contracts", "--out", "src"]);
    assert!(said.ends_with("[exit 0]"), "{said}");
    project.edit("tests/slice_1_parcels/slice.rs", |text| {
        text.replace("App::new(store).partial()", "shop::app(store)")
    });
    // The one decision of this slice: how the bus refuses. Here it cannot: state and event are one unit of work.
    project.edit("tests/slice_1_parcels/producer.rs", |text| {
        text.lines().filter(|line| !line.contains("panic!(")).map(|line| format!("{line}\n")).collect()
    });
    let (passes, said) = project.cargo(&["test", "--test", "slice_1_parcels"]);
    assert!(passes, "{said}");

    let plan = "docs/specs/parcels-slice-1-tdd-plan.md";
    project.edit(plan, |text| text.replace("- [ ]", "- [x]"));
    let said = project.factum(&["plan", "verify"]);
    assert!(
        said.ends_with("[exit 0]") && said.contains(" pass, 0 ticked without a test that passes"),
        "{said}"
    );
    // And a tick that is not true is found.
    project
        .edit("src/pack.rs", |text| text.replace("cx.emit(", "let _ = (&cx, ").replace("?));", "?)); // "));
    let said = project.factum(&["plan", "verify"]);
    assert!(said.ends_with("[exit 1]") && said.contains("ticked, and fails"), "{said}");
}
