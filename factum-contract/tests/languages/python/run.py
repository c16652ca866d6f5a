"""Checks documents with generated code: a line of JSON in, one out. Called by tests/languages.rs."""

import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))
package = importlib.import_module(sys.argv[1])
types = {**getattr(package, "EVENTS", {}), **getattr(package, "COMMANDS", {})}
for line in sys.stdin:
    case = json.loads(line)
    model = types[case["contract"]].model_fields["data"].annotation
    try:
        data = model.from_json(bytes.fromhex(case["hex"]))
    except package.ContractError as error:
        print(json.dumps({"flaws": [flaw._asdict() for flaw in error.flaws]}))
        continue
    # What was read is written and read again without a difference, also by pydantic's own reader.
    written = data.to_json()
    own = model.model_validate_json(written)
    again = model.from_json(written).to_json() == written and own.to_json() == written
    print(json.dumps({"flaws": [], "again": again}))
