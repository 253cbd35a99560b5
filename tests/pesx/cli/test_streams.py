import os

from pesx.cli.streams import clean_stdout, put


def test_chatter_goes_to_stderr_and_data_to_stdout(capfd):
    with clean_stdout():
        print("a library")
        os.write(1, b"a compiled library\n")
    put("data")
    out, err = capfd.readouterr()
    assert out == "data\n"
    assert sorted(err.splitlines()) == ["a compiled library", "a library"]


def test_stdout_is_back_after_an_error(capfd):
    try:
        with clean_stdout():
            raise ValueError
    except ValueError:
        put("data")
    assert capfd.readouterr().out == "data\n"
