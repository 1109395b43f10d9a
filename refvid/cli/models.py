"""`refvid models`: list the available models."""

import typer

models_app = typer.Typer(name="models", help="Show the available models.")


@models_app.callback()
def models() -> None:
    """Show the available models."""


@models_app.command("list")
def list_models() -> None:
    """Print the names of the embedded models, one per line; -m also takes a folder or a Hub id owner/name."""
    from refvid.weights import embedded_models

    for name in embedded_models():
        typer.echo(name)
