from modal_emulator.ground import errors


def test_each_failure_has_a_code_of_its_own_and_says_its_message():
    kinds = [getattr(errors, n) for n in errors.__all__ if n not in ("Code", "EmulatorError")]
    assert len({k.code for k in kinds}) == len(kinds)
    assert all(str(k("text")) == k("text").message == "text" for k in kinds)


def test_only_lost_data_leaves_open_whether_something_happened():
    assert errors.NotFound.definite and errors.Conflict.definite
    assert not errors.DataLoss.definite and not errors.EmulatorError.definite
