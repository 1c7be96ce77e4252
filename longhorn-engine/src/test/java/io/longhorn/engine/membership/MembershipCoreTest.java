package io.longhorn.engine.membership;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Opening, shrinking, growing, holding and force, event by event; see {@link MembershipScript}. */
final class MembershipCoreTest {
  @Test
  void anOpeningThatEveryoneAnswersServesAtOnce() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        hello 3 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
        promise 1 ->
        promise 2 ->
        promise 3 -> store 1 1.2:123 | store 2 1.2:123 | store 3 1.2:123
        stored 1 ->
        stored 2 ->
        stored 3 -> opened 1 | serve | needs 123 reads 123 complete
        """);
  }

  @Test
  void anOpeningWaitsForMembersThenForTheOthersReadsToRunOut() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        after 1999 ->
        after 1 -> ask 1 for 1 | ask 2 for 1
        promise 1 ->
        promise 2 -> store 1 1.2:12-3@1.2 | store 2 1.2:12-3@1.2
        stored 1 ->
        stored 2 -> opened 1 | serve | needs 12 reads 12
        after 1099 ->
        after 1 ->
        hello 3 -> ask 3 for 1
        promise 3 -> 3 may return
        join 3 -> store 1 1.3:123 | store 2 1.3:123 | store 3 1.3:123 | needs 123 reads 12
        stored 1 ->
        stored 2 ->
        stored 3 -> 3 joined | needs 123 reads 123 complete
        """);
  }

  @Test
  void tooFewAnswersFenceNobodyAndAreAskedAgain() {
    check(
        3,
        """
        hello 1 ->
        after 2000 ->
        after 3000 -> drop 1
        hello 1 ->
        hello 2 ->
        after 2000 -> ask 1 for 1 | ask 2 for 1
        """);
  }

  @Test
  void onlyTheRecordsInsidePromisesCount() {
    check(
        3,
        """
        hello 1 promised=5 ->
        hello 2 promised=5 ->
        after 2000 -> ask 1 for 6 | ask 2 for 6
        promise 1 ->
        promise 2 rec=5.7:23-1@5.7 ->
        after 2000 ->
        hello 3 promised=5 rec=5.7:23-1@5.7 -> ask 3 for 6
        promise 3 rec=5.7:23-1@5.7 -> store 2 6.8:23-1@5.7 | store 3 6.8:23-1@5.7
        stored 2 ->
        stored 3 -> opened 6 | 1 may return | serve | needs 23 reads 23
        """);
  }

  @Test
  void aRecordAboveItsPromiseIsNotBelieved() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        hello 3 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
        promise 1 rec=5.7:123 -> drop 1 | drop 2 | drop 3
        """);
  }

  @Test
  void aReleaseByTheNewestOwnerSparesTheWait() {
    check(
        3,
        """
        usual 4.9:123
        hello 1 promised=4 ->
        hello 2 promised=4 ->
        after 2000 -> ask 1 for 5 | ask 2 for 5
        promise 1 promised=4 released=4 ->
        promise 2 promised=4 released=4 -> store 1 5.10:12-3@5.10 | store 2 5.10:12-3@5.10
        stored 1 ->
        stored 2 -> opened 5 clean | serve | needs 12 reads 12
        """);
  }

  @Test
  void aReleaseByAnOlderOwnerSparesNothing() {
    check(
        3,
        """
        usual 4.9:123
        hello 1 promised=4 ->
        hello 2 promised=4 ->
        after 2000 -> ask 1 for 5 | ask 2 for 5
        promise 1 promised=4 released=3 ->
        promise 2 promised=4 -> store 1 5.10:12-3@5.10 | store 2 5.10:12-3@5.10
        stored 1 ->
        stored 2 -> opened 5 | needs 12 reads 12
        after 1100 -> serve
        """);
  }

  @Test
  void aMemberThatFailsDuringTheOpeningMeansAHigherGeneration() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        hello 3 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
        promise 1 ->
        promise 2 ->
        promise 3 -> store 1 1.2:123 | store 2 1.2:123 | store 3 1.2:123
        stored 1 ->
        broke 2 -> drop 1 | drop 3
        hello 1 promised=1 rec=1.2:123 ->
        hello 3 promised=1 ->
        after 2000 -> ask 1 for 2 | ask 3 for 2
        promise 1 rec=1.2:123 ->
        promise 3 -> store 1 2.3:13-2@2.3 | store 3 2.3:13-2@2.3
        stored 1 ->
        stored 3 -> opened 2 | needs 13 reads 13
        after 1100 -> serve
        """);
  }

  @Test
  void aRefusedOpenerTriesAgainAboveWhatItMet() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        hello 3 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
        refuse 1 4 -> drop 2 | drop 3
        hello 1 promised=4 ->
        hello 2 ->
        hello 3 ->
        after 299 ->
        after 1 -> ask 1 for 5 | ask 2 for 5 | ask 3 for 5
        """);
  }

  @Test
  void membersAreLeftOutOneAfterAnotherAndComeBackByPromise() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        hello 3 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
        promise 1 ->
        promise 2 ->
        promise 3 -> store 1 1.2:123 | store 2 1.2:123 | store 3 1.2:123
        stored 1 ->
        stored 2 ->
        stored 3 -> opened 1 | serve | needs 123 reads 123 complete
        broke 3 -> store 1 1.3:12-3@1.3 | store 2 1.3:12-3@1.3 | needs 123 reads 12
        stored 1 ->
        stored 2 -> 3 left | needs 12 reads 12
        broke 2 -> store 1 1.4:1-2@1.4-3@1.3 | needs 12 reads 1
        stored 1 -> 2 left | needs 1 reads 1
        hello 2 promised=1 rec=1.3:12-3@1.3 -> ask 2 for 1
        promise 2 -> 2 may return
        """);
  }

  @Test
  void twoOfThreeLostAtOnceHoldAndOpenAgainWhenOneIsBack() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        hello 3 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
        promise 1 ->
        promise 2 ->
        promise 3 -> store 1 1.2:123 | store 2 1.2:123 | store 3 1.2:123
        stored 1 ->
        stored 2 ->
        stored 3 -> opened 1 | serve | needs 123 reads 123 complete
        broke 3 -> store 1 1.3:12-3@1.3 | store 2 1.3:12-3@1.3 | needs 123 reads 12
        broke 2 -> held without 23 | drop 1 | needs nobody reads nobody
        hello 1 promised=1 rec=1.3:12-3@1.3 ->
        hello 2 promised=1 rec=1.2:123 -> ask 1 for 2 | ask 2 for 2
        after 1000 ->
        after 1000 ->
        promise 1 rec=1.3:12-3@1.3 ->
        promise 2 rec=1.2:123 -> store 2 1.3:12-3@1.3
        stored 2 -> store 1 2.4:12-3@1.3 | store 2 2.4:12-3@1.3
        stored 1 ->
        """);
  }

  @Test
  void aSuspectedMemberIsLeftOutOnlyIfThatIsLegal() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        hello 3 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
        promise 1 ->
        promise 2 ->
        promise 3 -> store 1 1.2:123 | store 2 1.2:123 | store 3 1.2:123
        stored 1 ->
        stored 2 ->
        stored 3 -> opened 1 | serve | needs 123 reads 123 complete
        suspect 3 -> store 1 1.3:12-3@1.3 | store 2 1.3:12-3@1.3 | needs 123 reads 12
        suspect 2 -> needs 123 reads 1
        stored 1 ->
        unsuspect 2 -> needs 123 reads 12
        stored 2 -> drop 3 | 3 left | needs 12 reads 12
        """);
  }

  @Test
  void aSuspicionThatEndsLetsAnotherSetBeProposed() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        hello 3 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
        promise 1 ->
        promise 2 ->
        promise 3 -> store 1 1.2:123 | store 2 1.2:123 | store 3 1.2:123
        stored 1 ->
        stored 2 ->
        stored 3 -> opened 1 | serve | needs 123 reads 123 complete
        suspect 3 -> store 1 1.3:12-3@1.3 | store 2 1.3:12-3@1.3 | needs 123 reads 12
        unsuspect 3 -> needs 123 reads 123
        suspect 2 -> store 1 1.4:13-2@1.4 | store 3 1.4:13-2@1.4 | needs 123 reads 13
        suspect 1 -> needs 123 reads 3
        """);
  }

  @Test
  void aJoiningReplicaThatFailsIsLeftOutAgain() {
    check(
        3,
        """
        usual 4.9:12-3@4.9
        hello 1 promised=4 ->
        hello 2 promised=4 -> ask 1 for 5 | ask 2 for 5
        hello 3 promised=4 -> ask 3 for 5
        promise 1 ->
        promise 2 -> store 1 5.10:12-3@4.9 | store 2 5.10:12-3@4.9
        promise 3 rec=4.8:123 ->
        stored 1 ->
        stored 2 -> opened 5 | 3 may return | needs 12 reads 12
        join 3 -> store 1 5.11:123 | store 2 5.11:123 | store 3 5.11:123 | needs 123 reads 12
        broke 3 -> store 1 5.12:12-3@4.9 | store 2 5.12:12-3@4.9 | needs 123 reads 12
        stored 1 ->
        stored 2 -> 3 left | needs 12 reads 12
        """);
  }

  @Test
  void anAnswerOfFencedDeposes() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        hello 3 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
        promise 1 ->
        promise 2 ->
        promise 3 -> store 1 1.2:123 | store 2 1.2:123 | store 3 1.2:123
        stored 1 ->
        stored 2 ->
        stored 3 -> opened 1 | serve | needs 123 reads 123 complete
        fenced 2 7 -> drop 1 | drop 2 | drop 3 | deposed by 7 | needs nobody reads nobody
        hello 1 ->
        """);
  }

  @Test
  void aHeldEngineGivesWayToOneThatHasPromises() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        hello 3 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
        promise 1 ->
        promise 2 ->
        promise 3 -> store 1 1.2:123 | store 2 1.2:123 | store 3 1.2:123
        stored 1 ->
        stored 2 ->
        stored 3 -> opened 1 | serve | needs 123 reads 123 complete
        broke 3 -> store 1 1.3:12-3@1.3 | store 2 1.3:12-3@1.3 | needs 123 reads 12
        broke 2 -> held without 23 | drop 1 | needs nobody reads nobody
        hello 2 promised=2 -> drop 2 | deposed by 2
        """);
  }

  @Test
  void aReplicaPromisedToAnotherStaysOutUntilAskedToOpenAgain() {
    check(
        3,
        """
        hello 1 ->
        hello 2 ->
        hello 3 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
        promise 1 ->
        promise 2 ->
        promise 3 -> store 1 1.2:123 | store 2 1.2:123 | store 3 1.2:123
        stored 1 ->
        stored 2 ->
        stored 3 -> opened 1 | serve | needs 123 reads 123 complete
        broke 3 -> store 1 1.3:12-3@1.3 | store 2 1.3:12-3@1.3 | needs 123 reads 12
        stored 1 ->
        stored 2 -> 3 left | needs 12 reads 12
        hello 3 promised=6 -> 3 stays out
        reopen -> held without nobody | drop 1 | drop 2 | needs nobody reads nobody
        hello 1 promised=1 rec=1.3:12-3@1.3 ->
        hello 2 promised=1 rec=1.3:12-3@1.3 -> ask 1 for 7 | ask 2 for 7 | ask 3 for 7
        promise 1 rec=1.3:12-3@1.3 ->
        promise 2 rec=1.3:12-3@1.3 -> store 1 7.4:12-3@1.3 | store 2 7.4:12-3@1.3
        promise 3 ->
        stored 1 ->
        stored 2 -> opened 7 continued | 3 may return | serve | needs 12 reads 12
        """);
  }

  @Test
  void forceOpensWithWhatAnswersAndSaysWhatIsMissing() {
    check(
        3,
        """
        usual 4.9:123
        hello 1 promised=4 ->
        after 2000 ->
        force -> ask 1 for 5
        promise 1 -> forced, missing 23 | store 1 5.10:1-2@5.10-3@5.10
        stored 1 -> opened 5 | needs 1 reads 1
        after 1100 -> serve
        """);
  }

  @Test
  void aSetOfThreeThatLeftOthersOutIsConfirmed() {
    check(
        5,
        """
        hello 1 ->
        hello 2 ->
        hello 3 ->
        hello 4 ->
        hello 5 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1 | ask 4 for 1 | ask 5 for 1
        promise 1 ->
        promise 2 ->
        promise 3 ->
        promise 4 ->
        promise 5 -> store 1 1.2:12345 | store 2 1.2:12345 | store 3 1.2:12345 | store 4 1.2:12345 | store 5 1.2:12345
        stored 1 ->
        stored 2 ->
        stored 3 ->
        stored 4 ->
        stored 5 -> opened 1 | serve | needs 12345 reads 12345 complete
        broke 4 -> store 1 1.3:1235-4@1.3 | store 2 1.3:1235-4@1.3 | store 3 1.3:1235-4@1.3 | store 5 1.3:1235-4@1.3 | needs 12345 reads 1235
        broke 5 -> store 1 1.4:123-4@1.4-5@1.4 | store 2 1.4:123-4@1.4-5@1.4 | store 3 1.4:123-4@1.4-5@1.4 | needs 12345 reads 123
        stored 1 ->
        stored 2 ->
        stored 3 -> 4 left | 5 left | store 1 1.5:123-4@1.4-5@1.4 | store 2 1.5:123-4@1.4-5@1.4 | store 3 1.5:123-4@1.4-5@1.4 | needs 123 reads 123
        stored 1 ->
        stored 2 ->
        stored 3 ->
        """);
  }

  @Test
  void aContestedRecordIsOpenedByAllItsMembersOnceTheyHaveIt() {
    check(
        5,
        """
        usual 4.9:345-1@4.9-2@4.9
        hello 4 promised=4 ->
        hello 5 promised=4 rec=4.8:12345 ->
        after 2000 ->
        hello 3 promised=4 rec=4.8:12345 -> ask 3 for 5 | ask 4 for 5 | ask 5 for 5
        promise 3 rec=4.8:12345 ->
        promise 4 ->
        promise 5 rec=4.8:12345 -> store 3 4.9:345-1@4.9-2@4.9 | store 5 4.9:345-1@4.9-2@4.9
        stored 3 ->
        stored 5 -> store 3 5.10:345-1@4.9-2@4.9 | store 4 5.10:345-1@4.9-2@4.9 | store 5 5.10:345-1@4.9-2@4.9
        stored 3 ->
        stored 4 ->
        stored 5 -> opened 5 | needs 345 reads 345
        """);
  }

  private static void check(int replicas, String lines) {
    assertThat(MembershipScript.run(replicas, lines)).isEqualToIgnoringWhitespace(lines);
  }
}
