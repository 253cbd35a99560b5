from pesx.monitors.cause import FAILURES, NOT_FAILURES, Cause


def test_numbers_stay():
    assert [(cause.name, int(cause)) for cause in (Cause.BOND_BROKEN, Cause.HOT, Cause.TRUNCATED)] == [
        ("BOND_BROKEN", 1),
        ("HOT", 9),
        ("TRUNCATED", 13),
    ]


def test_every_cause_has_its_own_sentence():
    sentences = [cause.sentence for cause in Cause]
    assert len(set(sentences)) == len(Cause)
    assert all(sentence.endswith(".") for sentence in sentences)


def test_every_cause_is_a_failure_or_not():
    assert set(Cause) == FAILURES | NOT_FAILURES
    assert not FAILURES & NOT_FAILURES
