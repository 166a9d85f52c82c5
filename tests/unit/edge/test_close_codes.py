from edge.close_codes import REASONS, CloseCode


def test_every_code_of_the_contract_has_a_reason_that_fits_into_a_close_frame() -> None:
    assert {int(code) for code in CloseCode} == {
        *(1003, 1007, 1009, 1013),
        *(4001, 4003, 4004, 4008, 4010, 4101, 4102, 4200, 4201, 4202),
    }
    assert set(REASONS) == set(CloseCode)
    assert all(len(reason.encode()) <= 123 for reason in REASONS.values())
