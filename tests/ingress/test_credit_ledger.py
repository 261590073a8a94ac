import pytest

from gateway.intake.credits import Cost, CreditLedger


@pytest.mark.parametrize("cost", [Cost(11, 10), Cost(10, 101), Cost(11, 101)])
def test_a_batch_over_either_credit_takes_nothing(cost: Cost):
    ledger = CreditLedger(10, 100)
    assert not ledger.take(cost)
    assert ledger.available == Cost(10, 100)


def test_what_is_given_back_can_be_spent_again():
    ledger = CreditLedger(10, 100)
    assert ledger.take(Cost(10, 100))
    assert not ledger.take(Cost(1, 0))
    ledger.give_back(Cost(10, 100))
    assert ledger.take(Cost(10, 100))


@pytest.mark.parametrize("cost", [Cost(2, 1), Cost(1, 2)])
def test_giving_back_more_than_was_spent_is_a_fault(cost: Cost):
    ledger = CreditLedger(10, 100)
    ledger.take(Cost(1, 1))
    with pytest.raises(ValueError, match="more credits"):
        ledger.give_back(cost)
