"""The commands about models: list and show them, ask one tasks, bring other people's, hand ours on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from circuitlang.interfaces.cli.app import Device, DeviceOption, Format, Native, app, watched
from circuitlang.interfaces.cli.console import say, say_json
from circuitlang.source.diagnostic import CommandError


class _ShowUnlessSaid(TyperGroup):
    """`models zoo:python-small` is `models show zoo:python-small`: what is no command is a name or an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = [*self.commands, *ctx.help_option_names]
        return super().parse_args(ctx, args if args and args[0] in known else ["show", *args])


models = typer.Typer(
    cls=_ShowUnlessSaid,
    help="List models, show one, ask one tasks; import other people's, export ours.",
)
app.add_typer(models, name="models")


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="zoo:NAME or a folder.")],
    name: Annotated[str | None, typer.Argument(help="Which task of the file; with --task.")] = None,
    prompt: Annotated[str | None, typer.Option(help="A text: the tokens that most likely follow.")] = None,
    task: Annotated[
        Path | None, typer.Option(help="A file of tasks: what follows the prompts, case by case.")
    ] = None,
    number: Annotated[
        int, typer.Option("-n", min=1, max=100_000, help="How many datapoints of a task.")
    ] = 256,
    format: Annotated[Format, typer.Option(help="What is printed.")] = Format.TEXT,
    device: DeviceOption = Device.AUTO,
    native: Native = False,
) -> None:
    """Show what an untouched model predicts: after a text, or where it is not competent at a task.

    Example: `circuitlang predict zoo:python-small --task tasks/python.task bracket_counting`
    """
    if (prompt is None) == (task is None) or (prompt is not None and name is not None):
        raise CommandError(
            "say either --prompt TEXT, or --task FILE with the task's name where it has several"
        )
    from circuitlang.report.listing import prediction_lines
    from circuitlang.studies.predict import predict_task, predict_text

    if task is not None:
        found = predict_task(model, task, name, number, device.value)
    else:
        found = predict_text(model, prompt or "", device.value)
    if format is Format.JSON:
        say_json(found)
    else:
        say(prediction_lines(found))


@models.command()
def show(
    name: Annotated[str | None, typer.Argument(help="zoo:NAME or a folder; without it, the list.")] = None,
    tasks: Annotated[
        list[Path] | None, typer.Option(help="Files or folders of tasks: what the model makes of each.")
    ] = None,
    number: Annotated[
        int, typer.Option("-n", min=1, max=100_000, help="How many datapoints of each task.")
    ] = 256,
    format: Annotated[Format, typer.Option(help="What is printed.")] = Format.TEXT,
    device: DeviceOption = Device.AUTO,
    native: Native = False,
) -> None:
    """List the models that ship and those in models/, show one model's card, or ask a model tasks.

    Example: `circuitlang models zoo:python-small --tasks tasks`
    """
    if name is None and tasks:
        raise CommandError("--tasks needs a model: circuitlang models zoo:python-small --tasks tasks")
    from circuitlang.report.listing import card_lines, competence_lines
    from circuitlang.studies import training

    if name is None:
        say(training.list_models())
        return
    if tasks:
        with watched() as told:
            found = training.ask_tasks(name, tasks, number, device.value, told)
        lines = competence_lines(name, number, found)
    else:
        found = training.show_model(name)
        lines = card_lines(found)
    if format is Format.JSON:
        say_json(found)
    else:
        say(lines)


@models.command(name="import")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of Gao et al. 2025, of GPT-2's shape or of `models export`; or hub:OWNER/NAME@COMMIT."
        ),
    ],
    name: Annotated[str, typer.Option("--as", help="The model's name; it is written to models/NAME.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the model instead of models/NAME.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Folder of vocab.bpe and encoder.json, where they are not nearby.")
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            help="A text or a folder of texts as the model was trained on: means are taken over it."
        ),
    ] = None,
) -> None:
    """Convert somebody else's model to ours, and compare what the two compute.

    Example: `circuitlang models import downloads/csp_yolo2 --as yolo2`
    """
    from circuitlang.report.listing import card_lines
    from circuitlang.studies import training

    card, where = training.import_model(source, name, out, text, tokenizer)
    say([*card_lines(card), f'written to {where}; in a spec: model = "{where}"'])


@models.command()
def export(
    name: Annotated[str, typer.Argument(help="zoo:NAME or a folder.")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
) -> None:
    """Write a model as safetensors with a config as Hugging Face's libraries write them.

    Example: `circuitlang models export zoo:python-small --out exported`
    """
    from circuitlang.studies import training

    say([f"{out}: {', '.join(training.export_model(name, out))}"])


@models.command()
def circuit(
    file: Annotated[Path, typer.Argument(help="A viz_data.pt of Gao et al. 2025.")],
    model: Annotated[str, typer.Option(help="The imported model that it is a circuit of.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("circuit.json"),
) -> None:
    """Read a published circuit: its nodes and their costs, with the weights of the imported model.

    Example: `circuitlang models circuit viz_data.pt --model models/yolo2`
    """
    from circuitlang.studies import training

    say(training.import_circuit(file, model, out))
