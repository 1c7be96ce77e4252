package io.longhorn.engine.membership;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** What is different with the store as authority, event by event; see {@link MembershipScript}. */
final class MembershipStoreTest {
  /** Three replicas, generation 1, everybody there; the store is at revision 9. */
  private static final String OPEN =
      """
      hello 1 -> read
      hello 2 ->
      hello 3 ->
      read 7 0.1:123 0 -> set@7 0.1:123 taken 1 by me
      set 8 -> ask 1 for 1 | ask 2 for 1 | ask 3 for 1
      promise 1 ->
      promise 2 ->
      promise 3 -> set@8 1.2:123 taken 1 by me
      set 9 -> store 1 1.2:123 | store 2 1.2:123 | store 3 1.2:123
      stored 1 ->
      stored 2 ->
      stored 3 -> opened 1 | serve | needs 123 reads 123 complete
      """;

  private static void check(int replicas, String lines) {
    assertThat(MembershipScript.runWithStore(replicas, lines)).isEqualToIgnoringWhitespace(lines);
  }

  private static void checkOpen(String lines) {
    check(3, OPEN + lines);
  }

  @Test
  void aGenerationIsTakenFirstAndReplicasHaveTheRecordAfterTheStore() {
    checkOpen("");
  }

  @Test
  void oneMemberOfTheNewestSetIsEnoughAndWaitsForTheOthersReadsToRunOut() {
    check(
        3,
        """
        hello 1 promised=5 rec=5.7:12-3@5.7 -> read
        read -8 5.9:2-1@5.9-3@5.7 5 other ->
        after 2000 ->
        hello 2 promised=5 rec=5.9:2-1@5.9-3@5.7 -> set@-8 5.9:2-1@5.9-3@5.7 taken 6 by me
        set 9 -> ask 1 for 6 | ask 2 for 6
        promise 1 rec=5.7:12-3@5.7 ->
        promise 2 rec=5.9:2-1@5.9-3@5.7 -> set@9 6.10:2-1@5.9-3@5.7 taken 6 by me
        set 10 -> store 2 6.10:2-1@5.9-3@5.7
        stored 2 -> opened 6 | 1 may return | needs 2 reads 2
        after 1099 ->
        after 1 -> serve
        """);
  }

  @Test
  void aSetIsDurableWhenTheStoreHasItAndOneMemberMayBeLeft() {
    checkOpen(
        """
        broke 1 -> set@9 1.3:23-1@1.3 taken 1 by me | needs 123 reads 23
        set 10 -> store 2 1.3:23-1@1.3 | store 3 1.3:23-1@1.3 | 1 left | needs 23 reads 23
        broke 2 -> set@10 1.4:3-1@1.3-2@1.4 taken 1 by me | needs 23 reads 3
        set 11 -> store 3 1.4:3-1@1.3-2@1.4 | 2 left | needs 3 reads 3
        """);
  }

  @Test
  void whileAnAnswerIsMissingBothSetsAreInForceAndTheSameIsSentAgain() {
    checkOpen(
        """
        broke 1 -> set@9 1.3:23-1@1.3 taken 1 by me | needs 123 reads 23
        unreachable ->
        after 299 ->
        after 1 -> read
        unreachable ->
        after 300 -> read
        read 9 1.2:123 1 me -> set@9 1.3:23-1@1.3 taken 1 by me
        set 10 -> store 2 1.3:23-1@1.3 | store 3 1.3:23-1@1.3 | 1 left | needs 23 reads 23
        """);
  }

  @Test
  void aChangeThatHappenedIsFoundByReadingAgain() {
    checkOpen(
        """
        broke 1 -> set@9 1.3:23-1@1.3 taken 1 by me | needs 123 reads 23
        unreachable ->
        after 300 -> read
        read 10 own -> store 2 1.3:23-1@1.3 | store 3 1.3:23-1@1.3 | 1 left | needs 23 reads 23
        """);
  }

  @Test
  void aChangeThatCameLateMakesTheNextOneConflictAndCounts() {
    checkOpen(
        """
        broke 1 -> set@9 1.3:23-1@1.3 taken 1 by me | needs 123 reads 23
        unreachable ->
        after 300 -> read
        read 9 1.2:123 1 me -> set@9 1.3:23-1@1.3 taken 1 by me
        conflict 10 own -> store 2 1.3:23-1@1.3 | store 3 1.3:23-1@1.3 | 1 left | needs 23 reads 23
        """);
  }

  @Test
  void whatIsWantedMeanwhileIsSentWhenTheStoreAnswersAndTheEarlierWishMayHaveWon() {
    checkOpen(
        """
        broke 1 -> set@9 1.3:23-1@1.3 taken 1 by me | needs 123 reads 23
        unreachable ->
        broke 2 -> needs 123 reads 3
        after 300 -> read
        read 10 own -> store 3 1.3:23-1@1.3 | 1 left | set@10 1.5:3-1@1.3-2@1.5 taken 1 by me | needs 23 reads 3
        set 11 -> store 3 1.5:3-1@1.3-2@1.5 | 2 left | needs 3 reads 3
        """);
  }

  @Test
  void aMemberCountsWhenTheStoreHasIt() {
    checkOpen(
        """
        broke 1 -> set@9 1.3:23-1@1.3 taken 1 by me | needs 123 reads 23
        set 10 -> store 2 1.3:23-1@1.3 | store 3 1.3:23-1@1.3 | 1 left | needs 23 reads 23
        hello 1 promised=1 rec=1.2:123 -> ask 1 for 1
        promise 1 rec=1.2:123 -> 1 may return
        join 1 -> set@10 1.4:123 taken 1 by me | needs 123 reads 23
        set 11 -> store 1 1.4:123 | store 2 1.4:123 | store 3 1.4:123 | 1 joined | needs 123 reads 123 complete
        """);
  }

  @Test
  void aStoreThatIsDownDisturbsNobodyWhileAllMembersAnswer() {
    checkOpen(
        """
        suspect 1 -> set@9 1.3:23-1@1.3 taken 1 by me | needs 123 reads 23
        unreachable ->
        unsuspect 1 -> needs 123 reads 123
        after 300 -> read
        read 9 1.2:123 1 me -> set@9 1.3:23-1@1.3 taken 1 by me
        """);
  }

  @Test
  void anEngineWhoseRecordIsAnothersGivesWay() {
    checkOpen(
        """
        broke 1 -> set@9 1.3:23-1@1.3 taken 1 by me | needs 123 reads 23
        conflict 10 1.2:123 4 other -> drop 2 | drop 3 | deposed by 4 | needs nobody reads nobody
        """);
  }

  @Test
  void anOpenerThatLosesTheRacePausesAndTakesAHigherGeneration() {
    check(
        2,
        """
        hello 1 -> read
        hello 2 ->
        read 7 0.1:12 0 -> set@7 0.1:12 taken 1 by me
        conflict 8 0.1:12 1 other ->
        after 300 -> read
        read 8 0.1:12 1 other -> set@8 0.1:12 taken 2 by me
        set 9 -> ask 1 for 2 | ask 2 for 2
        """);
  }

  @Test
  void anOtherPartOfTheRecordMayChangeMeanwhile() {
    checkOpen(
        """
        broke 1 -> set@9 1.3:23-1@1.3 taken 1 by me | needs 123 reads 23
        conflict 10 1.2:123 1 me -> store 2 1.2:123 | store 3 1.2:123 | set@10 1.4:23-1@1.4 taken 1 by me
        """);
  }

  @Test
  void aStoreOlderThanAReplicaIsNotOpenedByUntilItIsNewer() {
    check(
        2,
        """
        hello 1 promised=3 rec=3.4:12 -> read
        hello 2 promised=3 rec=3.4:12 ->
        read 7 1.2:12 2 other ->
        after 300 -> read
        read 7 1.2:12 2 other ->
        after 300 -> read
        read 8 3.4:12 3 other -> set@8 3.4:12 taken 4 by me
        """);
  }

  @Test
  void anOlderStoreIsOpenedByForceAndThenHasWhatTheReplicasHad() {
    check(
        2,
        """
        usual 3.4:12
        hello 1 promised=3 -> read
        hello 2 promised=3 ->
        read 7 1.2:12 2 other ->
        force -> set@7 1.2:12 taken 4 by me
        set 8 -> ask 1 for 4 | ask 2 for 4
        promise 1 ->
        promise 2 -> forced, missing nobody | set@8 4.5:12 taken 4 by me
        set 9 -> store 1 4.5:12 | store 2 4.5:12
        """);
  }

  @Test
  void withoutARecordNothingIsOpenedButByForce() {
    check(
        1,
        """
        hello 1 -> read
        read 0 ->
        after 300 -> read
        read 0 ->
        force -> set@0 0.1:1 taken 1 by me
        set 1 -> ask 1 for 1
        promise 1 -> forced, missing nobody | set@1 1.2:1 taken 1 by me
        """);
  }

  @Test
  void anOldCopyOfAMemberStaysOutAlsoIfNobodyElseAnswers() {
    check(
        2,
        """
        hello 1 promised=3 rec=3.4:12 -> read
        read 7 5.6:12 5 other -> drop 1
        hello 1 promised=3 rec=3.4:12 -> 1 stays out
        """);
  }

  @Test
  void withNoMemberLeftItHoldsAndOpensAgainWithAHigherGeneration() {
    checkOpen(
        """
        broke 1 -> set@9 1.3:23-1@1.3 taken 1 by me | needs 123 reads 23
        set 10 -> store 2 1.3:23-1@1.3 | store 3 1.3:23-1@1.3 | 1 left | needs 23 reads 23
        broke 2 -> set@10 1.4:3-1@1.3-2@1.4 taken 1 by me | needs 23 reads 3
        broke 3 -> held without 23 | needs nobody reads nobody
        hello 3 promised=1 rec=1.3:23-1@1.3 -> read
        read 11 own -> set@11 1.4:3-1@1.3-2@1.4 taken 2 by me
        set 12 -> ask 3 for 2
        promise 3 rec=1.3:23-1@1.3 -> set@12 2.5:3-1@1.3-2@1.4 taken 2 by me
        set 13 -> store 3 2.5:3-1@1.3-2@1.4
        stored 3 -> opened 2 continued | serve | needs 3 reads 3
        """);
  }

  @Test
  void anEngineThatIsHeldGivesWayToWhoTookAGenerationMeanwhile() {
    check(
        1,
        """
        hello 1 -> read
        read 7 0.1:1 0 -> set@7 0.1:1 taken 1 by me
        set 8 -> ask 1 for 1
        promise 1 -> set@8 1.2:1 taken 1 by me
        set 9 -> store 1 1.2:1
        stored 1 -> opened 1 | serve | needs 1 reads 1 complete
        broke 1 -> held without 1 | needs nobody reads nobody
        hello 1 promised=1 rec=1.2:1 -> read
        read 10 1.2:1 2 other -> drop 1 | deposed by 2
        """);
  }
}
