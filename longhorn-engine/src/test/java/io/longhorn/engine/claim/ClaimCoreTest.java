package io.longhorn.engine.claim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.engine.claim.ClaimRequest.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What a claim does, event by event; see {@link ClaimScript}. Two replicas; unless the core owns
 * the volume from the start, the other engine has generation 3 and the store is at revision 7.
 */
final class ClaimCoreTest {
  private static void check(String lines) {
    assertThat(ClaimScript.run(2, lines)).isEqualToIgnoringWhitespace(lines);
  }

  @Test
  void whatIsNotTheOwnersGoesThroughTheOwner() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        read 1 -> forward 1
        status 2 -> forward 2
        snapshot 3 -> forward 3
        flush 4 -> forward 4
        forward-answered 1 -> answer 1
        forward-answered 2 -> answer 2
        forward-refused 3 -> fail 3 EIO
        forward-answered 4 -> answer 4
        """);
  }

  @Test
  void aReadThatTheOwnerDoesNotAnswerClaimsAndAStatusFails() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        read 1 -> forward 1
        status 2 -> forward 2
        after 999 ->
        after 1 -> fail 2 EIO | stop other | look
        """);
  }

  @Test
  void aWriteClaimsAndServesAtOnceIfTheOtherSideHasStopped() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me both
        set 8 -> ask 1 for 4 | ask 2 for 4
        promised 1 ->
        promised 2 -> serving 4 | write 1 to 12 as 4
        wrote 1 1 ->
        wrote 1 2 -> answer 1
        """);
  }

  @Test
  void withoutAnAnswerItReconcilesAsAfterACrash() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        after 499 ->
        after 1 -> set@7 4.5:12 4 me both
        set 8 -> ask 1 for 4 | ask 2 for 4
        promised 1 ->
        promised 2 -> reconcile 12 | serving 4 | write 1 to 12 as 4
        after 1 ->
        """);
  }

  @Test
  void withoutAnAnswerAndAMemberItWaitsUntilTheOtherSidesReadsHaveRunOut() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        broke 2 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        not-stopped ->
        after 500 -> set@7 4.5:1 4 me both
        set 8 -> ask 1 for 4
        promised 1 ->
        after 1099 ->
        after 1 -> reconcile 1 | serving 4 | write 1 to 1 as 4
        read 2 ->
        """);
  }

  @Test
  void aMemberThatCannotBeReachedLeavesInTheSameStepAndReturns() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        broke 2 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean ->
        after 500 -> set@7 4.5:1 4 me both
        set 8 -> ask 1 for 4
        promised 1 -> serving 4 | write 1 to 1 as 4
        wrote 1 1 -> answer 1
        linked 2 3 3.4 -> ask 2 for 4
        promised 2 -> make equal 2
        made-equal 2 -> set@8 4.6:12 4 me both
        write 2 -> write 2 to 12 as 4
        wrote 2 1 ->
        set 9 ->
        wrote 2 2 -> answer 2
        """);
  }

  @Test
  void whoStoppedWithoutBeingEqualIsReconciledOnDemand() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 unclean -> set@7 4.5:12 4 me both
        set 8 -> ask 1 for 4 | ask 2 for 4
        promised 1 ->
        promised 2 -> reconcile 12 | serving 4 | write 1 to 12 as 4
        read 2 1 -> read 2 from 12 as 4 equal first
        data 2 -> ping 1 | ping 2
        heard 1 ->
        heard 2 -> answer 2
        reconciled ->
        read 3 1 -> read 3 from 12 as 4
        """);
  }

  /**
   * It lost its power while it was a member, and nobody could leave it out: it was linked again,
   * and served from, without what it had lost. One that was made equal after it was linked has not
   * lost anything.
   */
  @ParameterizedTest
  @CsvSource(
      delimiter = '>',
      value = {
        "promised 2 restarted > reconcile 12 | serving 4 | write 1 to 12 as 4",
        "promised 2           > serving 4 | write 1 to 12 as 4",
      })
  void amongMembersOfWhichOneHasLostItsMemoryNobodyIsClean(String event, String effects) {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 restarted ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me both
        set 8 -> ask 1 for 4 | ask 2 for 4
        promised 1 ->
        %s -> %s
        """
            .formatted(event, effects));
  }

  @Test
  void anAnswerCountsForATimeOnly() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me both
        set 8 -> ask 1 for 4 | ask 2 for 4
        promised 1 ->
        after 2001 ->
        promised 2 -> reconcile 12 | serving 4 | write 1 to 12 as 4
        """);
  }

  @Test
  void anAnswerOfAnotherGenerationDoesNotCount() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 4.4:12 4 me both ->
        stopped 3 clean -> set@7 5.5:12 5 me both
        set 8 -> ask 1 for 5 | ask 2 for 5
        promised 1 ->
        promised 2 -> reconcile 12 | serving 5 | write 1 to 12 as 5
        """);
  }

  @Test
  void whoComesSecondClaimsAgainAfterAPause() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        not-stopped -> set@7 4.5:12 4 me both
        conflict 8 4.5:12 4 other both -> give up
        after 49 ->
        after 1 -> stop other | look
        """);
  }

  @Test
  void aChangeByTheControlPlaneIsNoLostRace() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me both
        conflict 8 3.4:12 3 other both -> set@8 4.5:12 4 me both
        set 9 -> ask 1 for 4 | ask 2 for 4
        """);
  }

  @Test
  void aCompareAndSetWithoutAnswerIsRepeatedUntilItIsKnown() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me both
        unreachable ->
        after 100 -> look
        is 7 3.4:12 3 other both -> set@7 4.5:12 4 me both
        unreachable ->
        after 100 -> look
        is 8 4.5:12 4 me both -> ask 1 for 4 | ask 2 for 4
        """);
  }

  @Test
  void withoutTheStoreAClaimIsHeldThenFails() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        unreachable ->
        after 100 -> look
        unreachable ->
        after 59899 -> look
        after 1 -> fail 1 EIO | give up
        """);
  }

  @Test
  void whoIsNoClaimantCanNeverClaim() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other other -> give up | over | fail 1 EIO
        read 2 -> fail 2 EIO
        flush 3 -> fail 3 EIO
        """);
  }

  @Test
  void nothingIsClaimedByAStoreThatIsOlderThanAReplica() {
    check(
        """
        linked 1 3 3.9 ->
        linked 2 3 3.9 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both -> look
        not-stopped ->
        after 100 ->
        is 7 3.4:12 3 other both -> look
        """);
  }

  @Test
  void aPromiseToAnotherEndsTheClaim() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me both
        set 8 -> ask 1 for 4 | ask 2 for 4
        promised 1 ->
        promise-refused 2 5 -> lost 4 to 5
        """);
  }

  @Test
  void aMemberThatBreaksWhilePromisingLeaves() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me both
        set 8 -> ask 1 for 4 | ask 2 for 4
        promised 1 ->
        broke 2 -> set@8 4.6:1 4 me both
        set 9 -> serving 4 | write 1 to 1 as 4
        """);
  }

  @Test
  void aClaimWithoutMembersIsGivenUp() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me both
        set 8 -> ask 1 for 4 | ask 2 for 4
        broke 1 -> set@8 4.6:2 4 me both
        broke 2 -> lost 4 to 0
        """);
  }

  @Test
  void aReadWaitsForTheWriteItOverlaps() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        write 1 -> write 1 to 12 as 3
        read 2 ->
        read 3 1 -> read 3 from 12 as 3
        data 3 -> answer 3
        wrote 1 1 ->
        wrote 1 2 -> answer 1 | read 2 from 12 as 3
        data 2 -> answer 2
        """);
  }

  @Test
  void aReadIsAnsweredOnlyInTheReadWindow() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        after 1000 ->
        read 1 -> read 1 from 12 as 3
        data 1 -> ping 1 | ping 2
        heard 1 ->
        heard 2 -> answer 1
        """);
  }

  @Test
  void aForwardedReadWaitsForTheWriteToo() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        write 1 -> write 1 to 12 as 3
        peer-read 2 ->
        peer-status 3 -> execute 3 as 3
        executed 3 -> answer 3
        wrote 1 1 ->
        wrote 1 2 -> answer 1 | read 2 from 12 as 3
        data 2 -> answer 2
        """);
  }

  @Test
  void whoIsAskedToStopFinishesWhatWasSentAndFailsTheOtherWrites() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        write 1 -> write 1 to 12 as 3
        write 2 ->
        read 3 1 -> read 3 from 12 as 3
        quiesce 1 -> fail 2 EIO
        wrote 1 1 ->
        wrote 1 2 -> answer 1
        data 3 -> answer 3 | flush 1 as 3 | flush 2 as 3
        flushed 1 ->
        flushed 2 -> have stopped 1 as 3 clean
        read 4 ->
        write 5 1 ->
        fenced 1 4 -> lost 3 to 4 | forward 4
        after 50 -> stop other | look
        """);
  }

  @Test
  void aSlowFlushDoesNotKeepTheOtherSideWaiting() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        quiesce 1 -> flush 1 as 3 | flush 2 as 3
        after 400 -> have stopped 1 as 3 clean
        """);
  }

  @Test
  void whoStoppedAndWasNotFollowedGoesOnWithANewReadWindow() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        quiesce 1 -> flush 1 as 3 | flush 2 as 3
        flushed 1 ->
        flushed 2 -> have stopped 1 as 3 clean
        read 2 ->
        heard 1 ->
        heard 2 ->
        after 2199 ->
        after 1 -> read 2 from 12 as 3
        data 2 -> ping 1 | ping 2
        heard 1 ->
        heard 2 -> answer 2
        """);
  }

  @Test
  void whoStoppedGoesOnWhenTheClaimIsGivenUp() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        quiesce 1 -> flush 1 as 3 | flush 2 as 3
        flushed 1 ->
        flushed 2 -> have stopped 1 as 3 clean
        read 2 ->
        given-up 1 -> read 2 from 12 as 3
        quiesce 1 ->
        """);
  }

  @Test
  void whoIsNotEqualSaysSo() {
    check(
        """
        owns 7 3.4:12 3 me both unreconciled -> serving 3
        quiesce 1 -> flush 1 as 3 | flush 2 as 3
        flushed 1 ->
        flushed 2 -> have stopped 1 as 3 unclean
        """);
  }

  @Test
  void aClaimantFirstCompletesWhatItClaimedFor() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me both
        set 8 -> ask 1 for 4 | ask 2 for 4
        promised 1 ->
        quiesce 1 ->
        promised 2 -> serving 4 | write 1 to 12 as 4
        wrote 1 1 ->
        wrote 1 2 -> answer 1 | flush 1 as 4 | flush 2 as 4
        flushed 1 ->
        flushed 2 -> have stopped 1 as 4 clean
        """);
  }

  @Test
  void whatWasInFlightFailsAndIsNeverSentAgain() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        write 1 -> write 1 to 12 as 3
        read 2 1 -> read 2 from 12 as 3
        snapshot 3 -> execute 3 as 3
        peer-read 4 1 -> read 4 from 12 as 3
        wrote 1 1 ->
        fenced 2 4 -> fail 1 EIO | fail 3 EIO | refuse 4 | lost 3 to 4 | forward 2
        """);
  }

  @Test
  void bothSidesWritingIsReportedAndNobodyClaimsBackAtOnce() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        fenced 1 4 -> lost 3 to 4
        write 1 ->
        after 50 -> stop other | look
        is 8 4.5:12 4 other both ->
        stopped 4 clean -> set@8 5.6:12 5 me both
        set 9 -> both sides write | ask 1 for 5 | ask 2 for 5
        """);
  }

  /**
   * A replica that has promised to another engine ends the session, and cannot say why any more.
   */
  @Test
  void bothSidesWritingIsReportedAlsoIfAllLinksBrokeBeforeAnybodySaidWhoTookIt() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        broke 1 -> set@7 3.5:2 3 me both
        broke 2 -> lost 3 to 0
        linked 1 4 4.5 ->
        linked 2 4 4.5 ->
        write 1 ->
        after 50 -> stop other | look
        is 8 4.5:12 4 other both ->
        stopped 4 clean -> set@8 5.6:12 5 me both
        set 9 -> both sides write | ask 1 for 5 | ask 2 for 5
        """);
  }

  @Test
  void whatNobodyElseHadIsNotTakenBack() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        broke 1 -> set@7 3.5:2 3 me both
        broke 2 -> lost 3 to 0
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        write 1 ->
        after 50 -> stop other | look
        is 7 3.4:12 3 me both ->
        not-stopped -> set@7 4.5:12 4 me both
        set 8 -> ask 1 for 4 | ask 2 for 4
        """);
  }

  @Test
  void whoServesNothingSaysSo() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        quiesce 4 -> serve nothing 4
        peer-read 2 -> refuse 2
        """);
  }

  @Test
  void aBrokenMemberLeavesAndReturnsInForceFromTheMomentItIsEqual() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        write 1 -> write 1 to 12 as 3
        wrote 1 1 ->
        broke 2 -> set@7 3.5:1 3 me both
        set 8 -> answer 1
        linked 2 3 3.4 -> ask 2 for 3
        promised 2 -> make equal 2
        made-equal 2 -> set@8 3.6:12 3 me both
        conflict 9 3.5:1 3 me both -> set@9 3.6:12 3 me both
        set 10 ->
        """);
  }

  @Test
  void aShrinkInDoubtNeedsBothSets() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        broke 2 -> set@7 3.5:1 3 me both
        write 1 -> write 1 to 1 as 3
        wrote 1 1 ->
        unreachable ->
        after 100 -> look
        is 7 3.4:12 3 me both -> set@7 3.5:1 3 me both
        set 8 -> answer 1
        """);
  }

  @Test
  void aLosersFlushSucceedsWhenEachMemberHasFlushedOrFenced() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        fenced 1 4 -> lost 3 to 4
        flush 1 -> forward 1
        forward-refused 1 -> flush 2 as 3
        flushed 2 -> answer 1
        flush 2 -> forward 2
        forward-refused 2 -> flush 2 as 3
        fenced 2 4 -> answer 2
        """);
  }

  /** The only member lost its power, with writes that were answered; its promise said flushed. */
  @Test
  void aLosersFlushIsNotAnsweredByAProcessThatWasNotThereWhenItsWritesWere() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        broke 1 -> set@7 3.5:2 3 me both
        set 8 ->
        broke 2 -> lost 3 to 0
        flush 1 -> forward 1
        forward-refused 1 ->
        write 2 ->
        after 50 -> stop other | look
        not-stopped ->
        is 8 3.5:2 3 me both ->
        linked 2 3 3.5 restarted -> set@8 4.6:2 4 me both
        set 9 -> ask 2 for 4
        promised 2 ->
        after 1100 -> reconcile 2 | serving 4 | write 2 to 2 as 4
        wrote 2 2 -> answer 2
        flush 3 -> flush 2 as 4
        flushed 2 -> answer 3
        after 60000 -> fail 1 EIO
        """);
  }

  @Test
  void aLosersFlushDoesNotWaitForWhoHasLeft() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        broke 2 -> set@7 3.5:1 3 me both
        fenced 1 4 -> lost 3 to 4
        flush 1 -> forward 1
        after 1000 ->
        after 500 -> look
        is 8 4.5:1 4 other both -> answer 1
        """);
  }

  /** It was started anew, and promised before the claimant served: it was no member then. */
  @Test
  void oneThatPromisedDuringTheClaimAndHasReturnedIsFlushedAsAnyMember() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        broke 2 ->
        write 1 -> stop other | look
        is 7 3.4:12 3 other both ->
        not-stopped ->
        after 500 -> set@7 4.5:1 4 me both
        linked 2 3 3.4 restarted ->
        set 8 -> ask 1 for 4 | ask 2 for 4
        promised 2 ->
        promised 1 -> reconcile 1 | serving 4 | write 1 to 12 as 4
        wrote 1 1 -> answer 1
        reconciled -> make equal 2
        made-equal 2 -> set@8 4.6:12 4 me both
        set 9 ->
        flush 2 -> flush 1 as 4 | flush 2 as 4
        flushed 1 ->
        flushed 2 -> answer 2
        """);
  }

  @Test
  void aFlushCutShortByTheLossGoesThroughTheNewOwner() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        flush 1 -> flush 1 as 3 | flush 2 as 3
        flushed 1 ->
        fenced 2 4 -> lost 3 to 4 | forward 1
        forward-answered 1 -> answer 1
        """);
  }

  @Test
  void anOwnerThatWinsTakesTheRecordForItself() {
    check(
        """
        owns 7 3.4:12 3 me both -> serving 3
        heard 1 ->
        heard 2 ->
        finish 3 -> set@7 3.4:12 3 me me
        set 8 -> finished
        """);
  }

  @Test
  void aWinnerThatDoesNotOwnClaims() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        finish 3 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me me
        set 8 -> finished | ask 1 for 4 | ask 2 for 4
        promised 1 ->
        promised 2 -> serving 4
        """);
  }

  /** The next migration began before it served; its target found that it was over. */
  @Test
  void aWinnerLeavesWhoeverIsNamedAfterIt() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        finish 3 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me me
        set 8 -> finished | ask 1 for 4 | ask 2 for 4
        broke 2 -> set@8 4.6:1 4 me me
        conflict 9 4.5:12 4 me both -> set@9 4.6:1 4 me both
        set 10 ->
        promised 1 -> serving 4
        """);
  }

  @Test
  void whoIsToldToFinishAfterItDidLeavesWhoeverIsNamedSince() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        finish 3 -> stop other | look
        is 7 3.4:12 3 other both ->
        stopped 3 clean -> set@7 4.5:12 4 me me
        set 8 -> finished | ask 1 for 4 | ask 2 for 4
        promised 1 ->
        promised 2 -> serving 4
        finish 3 ->
        finish 4 -> look
        is 9 4.5:12 4 me both -> set@9 4.5:12 4 me me
        """);
  }

  @Test
  void theOnlyOneServesWithoutARequestAndNamesNobody() {
    check(
        """
        linked 1 3 3.4 ->
        linked 2 3 3.4 ->
        own -> stop other | look
        is 7 3.4:12 3 other me ->
        stopped 3 clean -> set@7 4.5:12 4 me me
        conflict 8 3.4:12 3 other both -> set@8 4.5:12 4 me both
        set 9 -> ask 1 for 4 | ask 2 for 4
        promised 1 ->
        promised 2 -> serving 4
        own ->
        """);
  }

  @Test
  void aNewVolumeNeedsNeitherWaitNorReconcile() {
    check(
        """
        linked 1 0 restarted ->
        linked 2 0 restarted ->
        write 1 -> stop other | look
        is 7 0.1:12 0 nobody both ->
        not-stopped -> set@7 1.2:12 1 me both
        set 8 -> ask 1 for 1 | ask 2 for 1
        promised 1 restarted ->
        promised 2 restarted -> serving 1 | write 1 to 12 as 1
        """);
  }

  @Test
  void moreRequestsThanTheLimitFailAtOnce() {
    StringBuilder lines = new StringBuilder();
    lines.append("owns 7 3.4:12 3 me both -> serving 3\n");
    for (int id = 1; id <= ClaimCore.MAX_REQUESTS; id++) {
      lines.append("write ").append(id).append(" ->");
      lines.append(id == 1 ? " write 1 to 12 as 3\n" : "\n");
    }
    lines.append("write 5000 -> fail 5000 BUSY\n");
    check(lines.toString());
  }

  @Test
  void aWriteIsNeverForwarded() {
    assertThatThrownBy(() -> new ClaimRequest(1, Kind.WRITE, 0, 1, true))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(new ClaimRequest(1, Kind.READ, 0, 1, true).isForwarded()).isTrue();
  }

  @Test
  void theRangeOfARequestDoesNotOverflow() {
    assertThatThrownBy(() -> new ClaimRequest(1, Kind.READ, Long.MAX_VALUE, 1, false))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new ClaimRequest(1, Kind.FLUSH, 0, 1, false))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
