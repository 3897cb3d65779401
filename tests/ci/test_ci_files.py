"""action.yml, .pre-commit-hooks.yaml and the GitLab example: valid by their vendors' schemas, and run as they run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ci.conftest import ROOT, Shell

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
GITLAB: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "ci" / "gitlab-ci.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("schema", "file"), [("vendor.github-actions", "action.yml"), ("vendor.gitlab-ci", "docs/ci/gitlab-ci.yml")]
)
def test_the_vendors_schema_accepts_it(schema: str, file: str) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(ROOT / file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# --- the GitHub Action ------------------------------------------------------------------------------------------------


def act(shell: Shell, **given: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str], str]:
    """Run the action's steps one after the other as a runner does; (the last step, its outputs, the summary)."""
    inputs = {name: told.get("default", "") for name, told in ACTION["inputs"].items()}
    inputs |= {name.replace("_", "-"): value for name, value in given.items()}
    env = {"GITHUB_ACTION_PATH": str(ROOT)}
    env |= {key: str(shell.folder / key) for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        told = {
            key: inputs[text.removeprefix("${{ inputs.").removesuffix(" }}")]
            for key, text in step.get("env", {}).items()
        }
        done = shell.run(step["run"], env | told)
        if done.returncode:
            break
    said = (shell.folder / "GITHUB_OUTPUT").read_text(encoding="utf-8").splitlines()
    summary = shell.folder / "GITHUB_STEP_SUMMARY"
    return (
        done,
        dict(line.split("=", 1) for line in said),
        summary.read_text(encoding="utf-8") if summary.exists() else "",
    )


def test_the_action_fails_a_run_that_dies_and_passes_a_healthy_one(shell: Shell, dying: Path, healthy: Path) -> None:
    done, outputs, summary = act(shell, path=f"runs/dying\n{healthy}\n")
    assert done.returncode == 1, done.stderr
    assert shell.installed.split()[-1] == str(ROOT)
    assert done.stdout.startswith("::error file=runs/dying/hypernetworks/dying-1500.pt,"), done.stderr
    assert outputs["exit-code"] == "1"
    assert "❌ runs/dying: broken" in summary
    log = json.loads((shell.folder / outputs["sarif"]).read_text(encoding="utf-8"))
    assert log["runs"][0]["results"]
    pages = sorted(p.name for p in (shell.folder / outputs["report"]).rglob("*.html"))
    assert pages == ["health.html", "health.html", "index.html"]
    again, outputs, _ = act(shell, path="runs/quiet", lang="ja")
    assert again.returncode == 0, again.stderr
    assert '<html lang="ja">' in (shell.folder / outputs["report"] / "health.html").read_text(encoding="utf-8")


def test_the_actions_inputs_are_never_commands(shell: Shell, dying: Path) -> None:
    done, outputs, _ = act(shell, path="runs/dying", ignore="HN1,HN4", require="previews")
    assert (done.returncode, outputs["exit-code"]) == (2, "2")  # no previews
    done, _, _ = act(shell, path="$(touch evil)\n`touch evil`; touch evil", select='"; touch evil; "')
    assert done.returncode == 2
    assert not (shell.folder / "evil").exists()


# --- pre-commit -------------------------------------------------------------------------------------------------------


def test_every_hook_is_one_of_our_commands() -> None:
    pytest.importorskip("pre_commit", reason="pre-commit is not installed")
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")]
    assert subprocess.run(command, check=False).returncode == 0
    assert {hook["entry"].split()[0] for hook in HOOKS} == {"hndoctor"}


@pytest.fixture
def project(shell: Shell, dying: Path, healthy: Path) -> Shell:
    """A git repository with both runs in it, whose pre-commit takes the hooks from a repository of their own."""
    pytest.importorskip("pre_commit", reason="pre-commit is not installed")
    hooks = [
        {"id": "hndoctor-checkpoints", "language": "system"},  # ours, instead of an installation of a minute
        {"id": "hndoctor-runs", "language": "system", "args": ["runs/quiet"]},
    ]
    git = "git -c user.name=a -c user.email=a@b -c init.defaultBranch=main"
    made = shell.run(
        f"mkdir hooks && cp '{ROOT / '.pre-commit-hooks.yaml'}' hooks && cd hooks && {git} init -q && {git} add . && "
        f"{git} commit -qm hooks && git rev-parse HEAD && cd .. && {git} init -q && echo 'hooks\nbin' > .gitignore"
    )
    revision = made.stdout.strip()
    config = {"repos": [{"repo": str(shell.folder / "hooks"), "rev": revision, "hooks": hooks}]}
    (shell.folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return shell


def test_the_hooks_stop_a_commit_with_an_exploded_checkpoint(project: Shell) -> None:
    env = {"PRE_COMMIT_HOME": str(project.folder / "cache")}
    tried = project.run("git add runs/quiet && python -m pre_commit run", env)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert tried.stdout.count("Passed") == 2
    tried = project.run("git add runs && python -m pre_commit run", env)
    assert tried.returncode == 1
    assert "dying-1500.pt" in tried.stdout
    assert tried.stdout.count("Passed") == 1  # the run that is named in args is healthy still


# --- GitLab -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("run", "code", "failures"), [("runs/dying", 1, True), ("runs/quiet", 0, False)])
def test_the_gitlab_job_fails_a_run_that_dies(
    run: str, code: int, failures: bool, shell: Shell, dying: Path, healthy: Path
) -> None:
    job = GITLAB["hndoctor"]
    done = shell.run("\n".join([*job["before_script"], *job["script"]]), {**job["variables"], "RUNS": run})
    assert done.returncode == code, done.stderr
    suite = (shell.folder / job["artifacts"]["reports"]["junit"]).read_text(encoding="utf-8")
    assert ("<failure" in suite) is failures
    assert (shell.folder / "hndoctor-report" / "health.html").exists()
