"""
How loudly each subject is told, and what is allowed.

Whatever is not said otherwise has the level in `DEFAULTS`. Two subjects are off by themselves,
because programs that are right do the same; see their rooms.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from modal_emulator.findings.finding import Finding, Level, Subject
from modal_emulator.ground.errors import Invalid

__all__ = ["DEFAULTS", "Allowed", "Levels"]

DEFAULTS: Mapping[Subject, Level] = {
    subject: Level.OFF if subject in (Subject.OVERWRITTEN, Subject.BACKGROUND) else Level.WARN
    for subject in Subject
}
_ALL = "default"
_WORDS = ("path", "function", "volume", "secret")


@dataclass(frozen=True, slots=True)
class Allowed:
    """Findings that are meant: of one subject, or all, with what each pattern is for."""

    subject: Subject | None
    patterns: tuple[tuple[str, str], ...] = ()
    """A word and a pattern with the wild cards of file names."""

    @classmethod
    def parse(cls, text: str) -> "Allowed":
        """
        Read `stale read: path=models/* function=serve`; `*` is every subject.

        Raises:
            Invalid: it is not of this form.
        """
        name, _, rest = text.partition(":")
        subject = None if name.strip() == "*" else _subject(name)
        patterns = []
        for word in rest.split():
            key, equals, pattern = word.partition("=")
            if not equals or key not in _WORDS:
                raise Invalid(f"{text!r}: a pattern is {', '.join(f'{w}=…' for w in _WORDS)}")
            patterns.append((key, pattern))
        return cls(subject, tuple(patterns))

    def covers(self, finding: Finding) -> bool:
        """Say whether a finding is meant by this; of several paths, all must be."""
        if self.subject not in (None, finding.subject):
            return False
        return all(self._matches(finding, key, pattern) for key, pattern in self.patterns)

    @staticmethod
    def _matches(finding: Finding, key: str, pattern: str) -> bool:
        if key == "path":
            return all(fnmatchcase(path, pattern) for path in finding.paths)
        values = finding.functions if key == "function" else finding.objects
        return any(fnmatchcase(value, pattern) for value in values)


@dataclass(frozen=True, slots=True)
class Levels:
    """What is told how."""

    by_subject: Mapping[Subject, Level] = field(default_factory=lambda: dict(DEFAULTS))
    allowed: tuple[Allowed, ...] = ()

    def having(self, levels: Mapping[str, str]) -> "Levels":
        """
        Return them with these changes, by the names of subjects.

        With `default`, all that are not off by themselves get a level; or all, if it is "off".

        Raises:
            Invalid: there is no such subject or level.
        """
        changed = dict(self.by_subject)
        if _ALL in levels:
            level = _level(levels[_ALL])
            for subject, usual in DEFAULTS.items():
                changed[subject] = usual if usual is Level.OFF else level
        named = {_subject(name): _level(text) for name, text in levels.items() if name != _ALL}
        return replace(self, by_subject={**changed, **named})

    def allowing(self, lines: Iterable[str]) -> "Levels":
        """Return them with these allowed as well; raises Invalid as `Allowed.parse` does."""
        return replace(self, allowed=(*self.allowed, *map(Allowed.parse, lines)))

    def of(self, finding: Finding) -> Level:
        """Return how loudly a finding is told."""
        if any(allowed.covers(finding) for allowed in self.allowed):
            return Level.OFF
        return self.by_subject[finding.subject]

    @property
    def tell_nothing(self) -> bool:
        """Whether nothing needs to be looked for."""
        return all(level is Level.OFF for level in self.by_subject.values())

    @property
    def may_fail(self) -> bool:
        """Whether a finding may be a failure."""
        return Level.FAIL in self.by_subject.values()


def _subject(name: str) -> Subject:
    try:
        return Subject(name.strip())
    except ValueError:
        known = ", ".join(subject.value for subject in Subject)
        raise Invalid(f"there is no finding {name.strip()!r}; there is: {known}") from None


def _level(text: object) -> Level:
    try:
        return Level(str(text).strip())
    except ValueError:
        raise Invalid(f"a finding's level is off, warn or fail, not {text!r}") from None
