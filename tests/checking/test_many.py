"""Many specs in one run, in shards and on a cluster: the same bytes, nothing searched for twice, one table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.planted.circuits import QUOTES, quotes
from circuitlang.checking.job import Job, Options, jobs_of, jobs_of_models
from circuitlang.checking.many import Shard
from circuitlang.checking.run import Done, check_all
from circuitlang.checking.static import check_text
from circuitlang.circuit.find import Finder
from circuitlang.model.checkpoint import save
from circuitlang.report.junit import junit_of_all
from circuitlang.report.terminal import summary_lines
from circuitlang.source.diagnostic import CommandError
from circuitlang.source.progress import quiet

SPEC = """
spec {name} {{
  task = planted
  model = "planted"
  prune {{ loss = 0.4  ablate = zero  steps = {steps}  seeds = 0..1 }}
  verdict {{ samples = 64..128 }}
  claim sufficient: loss given keep(circuit) <= 0.5
  claim huge: nodes >= 1000
}}
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Job]]:
    """Two specs of two seeds each, in a project of their own."""
    planted = quotes(0.02).checkpoint
    (tmp_path / "pyproject.toml").write_text("")
    save(tmp_path / "planted", planted.model, planted.tokenizer, planted.reference, {})
    specs = [SPEC.format(name=name, steps=steps) for name, steps in (("first", 3), ("second", 4))]
    (tmp_path / "two.cir").write_text("\n".join([QUOTES, *specs]))
    monkeypatch.chdir(tmp_path)

    def of(cache: str, **more: object) -> list[Job]:
        options = Options(cache=tmp_path / cache, battery=False, controls=False, **more)  # type: ignore[arg-type]
        return jobs_of(check_text([Path("two.cir")], measure=True)[0], options, "ignore", None)

    return of


def texts(done: list[Done]) -> list[str]:
    return [each.report.to_json(timings=False) for each in done]


def test_a_run_and_shards_and_a_run_that_only_reads_give_the_same_bytes(
    jobs: Callable[..., list[Job]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[tuple[str, float]] = []
    done, refused, _ = check_all(jobs("one"), lambda *each: told.append(each))
    assert [each.report.spec for each in done] == ["first", "second"]
    assert not refused
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert any(stage == "4 of 4 searches, 1 of 2 specs" for stage, _ in told)
    alone = [check_all([job], quiet)[0][0] for job in jobs("each")]
    assert texts(alone) == texts(done)
    for path in (tmp_path / "runs").rglob("*.json"):
        path.unlink()
    with pytest.raises(
        CommandError, match=r"4 of 4 searches are not: first seed 0, first seed 1, second seed 0 and 1"
    ):
        check_all(jobs("parts"), quiet, searching=False)
    said = [check_all(jobs("parts"), quiet, Shard(number, 3)) for number in (2, 3, 1)]
    assert [found for found, _, _ in said] == [[], [], []]
    assert [lines[0].partition("; ")[0] for _, _, lines in said] == [
        "shard 2/3: its 1 of 4 searches are in the cache, and 0 of 2 specs are judged",
        "shard 3/3: its 1 of 4 searches are in the cache, and 0 of 2 specs are judged",
        "shard 1/3: its 2 of 4 searches are in the cache, and 2 of 2 specs are judged",
    ]
    assert not list((tmp_path / "runs").rglob("*.json"))
    monkeypatch.setattr(Finder, "_search", None)
    assert texts(check_all(jobs("parts"), quiet, searching=False)[0]) == texts(done)
    table = summary_lines([each.report for each in done])
    assert table[0].split() == ["spec", "model", "verdict", "claims", "nodes", "loss"]
    assert [line.split()[:5] for line in table[1:3]] == [
        ["first", "planted", "fail", "1", "of"],
        ["second", "planted", "fail", "1", "of"],
    ]
    assert table[-1] == "0 of 2 pass"
    root = ElementTree.fromstring(junit_of_all((each.report, "two.cir") for each in done))
    assert [suite.get("name") for suite in root] == ["first", "second"]
    assert root.get("tests") == str(sum(len(suite.findall("testcase")) for suite in root))
    assert root.get("failures") == "2"


def test_what_was_done_is_kept_where_somebody_stops_it(
    jobs: Callable[..., list[Job]], tmp_path: Path
) -> None:
    def stop(stage: str, _share: float) -> None:
        if stage.startswith("second seed"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_all(jobs("one"), stop)
    assert (tmp_path / "runs/first/report.json").exists()
    assert not (tmp_path / "runs/second/report.json").exists()


@pytest.mark.slow
def test_a_cluster_and_a_pool_give_the_same_reports(jobs: Callable[..., list[Job]]) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    alone = texts(check_all(jobs("alone"), quiet)[0])
    assert texts(check_all(jobs("pool", jobs=2), quiet)[0]) == alone
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as local:
        assert texts(check_all(jobs("cluster", cluster=local.scheduler_address), quiet)[0]) == alone


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1", "a/b", "-1/2", "1/2/3", ""])
def test_a_shard_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="there is no shard"):
        Shard.parse(text)
    assert Shard.parse("4/4") == Shard(4, 4)


def test_each_of_several_models_has_a_folder(jobs: Callable[..., list[Job]]) -> None:
    models = ["planted", "zoo:python-small"]
    programs = [check_text([Path("two.cir")], model=model)[0] for model in models[:1]] * 2
    asked = jobs_of_models(programs, models, Options(), "look", None)
    assert [str(job.folder) for job in asked] == [
        f"runs/{spec}.model/{model}"
        for model in ("planted", "zoo-python-small")
        for spec in ("first", "second")
    ]
    assert [job.options.model for job in asked] == [model for model in models for _ in range(2)]
    with pytest.raises(CommandError, match="written to one folder"):
        jobs_of_models(programs, ["a/b", "a:b"], Options(), "look", None)
