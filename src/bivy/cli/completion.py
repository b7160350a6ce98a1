"""``bivy completion``: the completion script for a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL; put it where the shell reads it, or `eval` it.

    \b
    bash:  bivy completion bash > ~/.local/share/bash-completion/completions/bivy
    zsh:   bivy completion zsh > ~/.zfunc/_bivy
    fish:  bivy completion fish > ~/.config/fish/completions/bivy.fish
    """  # noqa: D301 - click's mark for text that keeps its lines
    from bivy.cli import group

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(group, {}, "bivy", "_BIVY_COMPLETE").source())
