"""What a room remembers, and what of a reply was heard."""

import random

import pytest

from hub.conversation.memory import Exchange, Memory, SpokenClause, heard
from hub.conversation.playback import Playback
from protocol.audio import PcmFormat

FORMAT = PcmFormat(24000, 2, 1)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def exchange(letters, name="x"):
    return Exchange(name * (letters // 2), name * (letters - letters // 2))


class TestMemory:
    def test_it_keeps_what_was_said_in_order(self, clock):
        memory = Memory(1000, 600, clock)
        memory.add(Exchange("hello", "Hi there."))
        memory.add(Exchange("tell me a story", "Once upon a", interrupted=True))
        assert [(m.role, m.content) for m in memory.messages()] == [
            ("user", "hello"),
            ("assistant", "Hi there."),
            ("user", "tell me a story"),
            ("assistant", "Once upon a"),
        ]

    def test_over_the_budget_the_older_half_goes_at_once(self, clock):
        memory = Memory(100, 600, clock)
        for name in "abcde":
            memory.add(exchange(20, name))
        assert len(memory.exchanges) == 5
        memory.add(exchange(20, "f"))
        assert [e.user[0] for e in memory.exchanges] == ["e", "f"]

    def test_it_never_holds_more_than_its_budget(self, clock):
        rng = random.Random(7)
        for budget in (0, 1, 50, 1000):
            memory = Memory(budget, 600, clock)
            for _ in range(200):
                memory.add(exchange(rng.randrange(1, 400)))
                size = sum(len(e.user) + len(e.assistant) for e in memory.exchanges)
                assert size <= budget

    def test_the_newest_exchange_stays_if_it_fits_at_all(self, clock):
        memory = Memory(100, 600, clock)
        memory.add(exchange(60, "a"))
        memory.add(exchange(80, "b"))
        assert [e.user[0] for e in memory.exchanges] == ["b"]
        memory.add(exchange(101, "c"))
        assert not memory.exchanges

    def test_after_some_quiet_a_conversation_is_over(self, clock):
        memory = Memory(1000, 600, clock)
        memory.add(exchange(20, "a"))
        clock.now += 600
        assert len(memory.exchanges) == 1
        memory.add(exchange(20, "b"))  # which begins the quiet anew
        clock.now += 599
        assert len(memory.exchanges) == 2
        clock.now += 2
        assert not memory.exchanges
        memory.add(exchange(20, "c"))
        assert [e.user[0] for e in memory.exchanges] == ["c"]

    def test_it_can_be_cleared(self, clock):
        memory = Memory(1000, 600, clock)
        memory.add(exchange(20))
        memory.clear()
        assert memory.messages() == []


CLAUSES = [
    SpokenClause("The capital of France is Paris,", 0, 48_000),
    SpokenClause(" which lies on the Seine.", 48_000, 90_000),
    SpokenClause(" It has two million people.", 90_000, 140_000),
]
WHOLE = "The capital of France is Paris, which lies on the Seine. It has two million people."


class TestHeard:
    def test_nothing_played_is_nothing_heard(self):
        assert heard(CLAUSES, 0) == ""
        assert heard([], 1000) == ""

    def test_all_played_is_all_heard(self):
        assert heard(CLAUSES, 140_000) == WHOLE
        assert heard(CLAUSES, 10_000_000) == WHOLE

    def test_a_whole_clause_and_a_part_of_the_next(self):
        assert heard(CLAUSES, 48_000) == "The capital of France is Paris,"
        assert heard(CLAUSES, 69_000) == "The capital of France is Paris, which lies"

    def test_it_ends_at_a_word_claims_no_more_than_was_played_and_never_shrinks(self):
        before = ""
        for played in range(0, 145_000, 250):
            text = heard(CLAUSES, played)
            assert text == WHOLE[: len(text)]
            assert not text or WHOLE[len(text) : len(text) + 1] in ("", " ")
            assert text.startswith(before)
            before = text
            for clause in CLAUSES:  # its share of letters is at most its share of samples
                share = (played - clause.start) / (clause.end - clause.start)
                said = clause.text.strip()
                letters = max(0, len(text) - WHOLE.index(said))
                assert min(letters, len(said)) <= max(0.0, share) * len(said)

    def test_it_holds_for_any_clauses(self):
        rng = random.Random(3)
        for _ in range(300):
            clauses, start = [], 0
            for _ in range(rng.randrange(1, 6)):
                words = ("w" * rng.randrange(1, 9) for _ in range(rng.randrange(1, 7)))
                end = start + rng.randrange(0, 50_000)
                clauses.append(SpokenClause(" ".join(words), start, end))
                start = end
            whole, before = " ".join(clause.text for clause in clauses), ""
            for played in sorted(rng.randrange(-10, start + 1000) for _ in range(20)):
                text = heard(clauses, played)
                assert whole.startswith(text)
                assert text.startswith(before)
                before = text


class TestPlayback:
    def sent(self, clock, text="One two three four five six seven eight.", seconds=4.0):
        playback = Playback(clock)
        playback.begin_clause(text, FORMAT)
        playback.sent(bytes(FORMAT.bytes_for(seconds)))
        playback.end_clause()
        return playback

    def test_a_report_counts_and_never_goes_back(self, clock):
        playback = self.sent(clock)
        playback.report(48_000)
        half = playback.heard()
        assert half == "One two three four"
        playback.report(24_000)
        assert playback.heard() == half
        playback.finish()
        assert playback.heard() == "One two three four five six seven eight."

    def test_a_report_of_more_than_was_sent_is_not_believed(self, clock):
        playback = self.sent(clock)
        playback.begin_clause("Nine ten eleven twelve.", FORMAT)
        playback.report(10_000_000)
        assert "twelve" not in playback.heard()

    def test_a_peer_that_never_reports_has_heard_no_more_than_the_time_and_what_was_sent(
        self, clock
    ):
        playback = self.sent(clock)
        clock.now += 2.0
        assert playback.heard() == "One two three four"
        playback.begin_clause("Nine ten eleven twelve.", FORMAT)
        clock.now += 60  # the voice hangs: nothing more was sent
        assert playback.heard() == "One two three four five six seven eight."
