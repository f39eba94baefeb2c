"""`dynamark completion SHELL`: a script that completes verbs, options and their values."""

from __future__ import annotations

import argparse

_SCRIPT = """# Completion of dynamark: source <(dynamark completion {shell})
{start}_dynamark() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" verb="${{COMP_WORDS[1]:-}}" words=""
  [ "$COMP_CWORD" -gt 2 ] && [ -n "${{COMP_WORDS[2]}}" ] && case " {nested} " in
    *" $verb-${{COMP_WORDS[2]}} "*) verb="$verb-${{COMP_WORDS[2]}}" ;;
  esac
  [ "$COMP_CWORD" -eq 1 ] && verb=""
  case "$verb$before" in
{values}
  *) case "$verb" in
{verbs}
  esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _dynamark dynamark
"""

# What is listed by the command itself when it is asked for: names of tasks and methods, which plug-ins add to.
_NAMED = {"--method": "methods", "--task": "tasks"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("shell", choices=["bash", "zsh"], help="the shell that reads the script")


def main(args: argparse.Namespace) -> int:
    """Print the script."""
    from dynamark.cli import parser_of
    from dynamark.cli.output import say

    whole = parser_of(None)
    # zsh understands the completion of bash once this is loaded.
    start = "autoload -U +X bashcompinit && bashcompinit\n" if args.shell == "zsh" else ""
    values, verbs, nested = _cases(whole)
    say(_SCRIPT.format(shell=args.shell, start=start, values=values, verbs=verbs, nested=nested))
    return 0


def _cases(whole: argparse.ArgumentParser) -> tuple[str, str, str]:
    """The cases of the script: of an option's value, of a verb's words; and the verbs that have verbs below them."""
    values, verbs, nested = [], [], []
    for name, parser in _parsers(whole, ""):
        words: list[str] = []
        for action in parser._actions:
            words += action.option_strings or ([*map(str, action.choices)] if action.choices else [])
            choices = " ".join(map(str, action.choices or ()))
            for option in action.option_strings:
                if option in _NAMED:
                    values.append(f'  "{name}{option}") words="$(dynamark list {_NAMED[option]} 2>/dev/null)" ;;')
                elif choices:
                    values.append(f'  "{name}{option}") words="{choices}" ;;')
        extra = {"run": " $(dynamark list suites 2>/dev/null)", "check": " $(dynamark list methods 2>/dev/null)"}
        verbs.append(f'  "{name}") words="{" ".join(words)}{extra.get(name, "")}" ;;')
        if "-" in name:
            nested.append(name)
    return "\n".join(values), "\n".join(verbs), " ".join(nested)


def _parsers(parser: argparse.ArgumentParser, name: str) -> list[tuple[str, argparse.ArgumentParser]]:
    """Every parser, by the words that call it, joined by dashes; the whole command is the empty word."""
    parsers = [(name, parser)]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, sub in action.choices.items():
                parsers += _parsers(sub, f"{name}-{word}" if name else word)
    return parsers
