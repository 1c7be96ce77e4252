package io.longhorn.engine.membership;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The rules of opening and of what may follow, a row per case. Records are written as in {@link
 * MembershipScript}.
 */
final class OpenRuleTest {
  /** Answers (replica=record), and whether they open, with whom, who is given the record first. */
  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource({
    // A decided set: more than half of it.
    "1=0.1:1 , opens 1",
    "1=0.1:12 , waits for 2 needs 2",
    "1=0.1:12 2=0.1:12 , opens 12",
    "1=0.1:123 , waits for 23 needs 2",
    "1=0.1:123 3=0.1:123 , opens 13",
    "1=0.1:1234 2=0.1:1234 , waits for 34 needs 3",
    "1=0.1:1234 2=0.1:1234 4=0.1:1234 , opens 124",
    "1=0.1:12345 2=0.1:12345 , waits for 345 needs 3",
    "1=0.1:12345 2=0.1:12345 3=0.1:12345 , opens 123",
    // Newest is the highest generation, then the highest number.
    "1=4.3:12-3@4.3 2=3.9:123 3=3.9:123 , opens 12 lacking 2",
    "1=4.3:12-3@4.2 2=4.2:12-3@4.2 , opens 12",
    "1=4.3:13-2@4.3 2=4.2:12-3@4.2 , waits for 3 needs 2",
    // A replica that the newest set leaves out never counts.
    "1=4.3:12-3@4.2 3=4.1:123 , waits for 2 needs 2",
    "2=0.1:123 3=5.2:3-1@5.2-2@5.2 , opens 3",
    // Left somebody out and not confirmed: all of it, and all are given it first.
    "1=5.4:123-4@5.4 2=5.4:123-4@5.4 , waits for 3 needs 3",
    "1=5.4:123-4@5.4 2=5.3:1234 3=5.3:1234 , opens 123 lacking 23",
    "1=5.4:123-4@5.4 2=5.4:123-4@5.4 3=5.4:123-4@5.4 , opens 123",
    // Confirmed: more than half is enough again.
    "1=5.5:123-4@5.4 2=5.4:123-4@5.4 , opens 12",
    // A growth is not contested: it left nobody out.
    "1=5.6:1234-5@5.1 2=5.5:123-4@5.4-5@5.1 4=3.2:12345 , opens 124",
  })
  void opens(String answers, String expected) {
    TreeMap<ReplicaId, MembershipRecord> found = new TreeMap<>();
    for (String answer : answers.strip().split(" ", -1)) {
      found.put(
          MembershipScript.id(answer.charAt(0)), MembershipScript.record(answer.substring(2)));
    }
    String verdict =
        switch (OpenRule.judge(found, RuleSet.ALL)) {
          case OpenRule.Verdict.Opens opens ->
              "opens "
                  + MembershipScript.digits(opens.members())
                  + (opens.lacking().isEmpty()
                      ? ""
                      : " lacking " + MembershipScript.digits(opens.lacking()));
          case OpenRule.Verdict.Waits waits ->
              "waits for " + MembershipScript.digits(waits.missing()) + " needs " + waits.needed();
          case OpenRule.Verdict.Refuses refuses -> "refuses: " + refuses.why();
        };
    assertThat(verdict).isEqualTo(expected);
  }

  /** Committed set, undecided ones, and whether a set may follow. */
  @ParameterizedTest(name = "{0} then {1}: {2} {3}")
  @CsvSource({
    "1.2:12 , '' , 1 , true",
    "1.2:123 , '' , 12 , true",
    "1.2:123 , '' , 1 , false",
    "1.2:1234 , '' , 34 , true",
    "1.2:1234 , '' , 4 , false",
    "1.2:12345 , '' , 345 , true",
    "1.2:12345 , '' , 45 , false",
    // In doubt: a shrink.
    "1.2:123 , 1.3:12-3@1.3 , 1 , false",
    "1.2:123 , 1.3:12-3@1.3 , 13 , true",
    "1.2:123 , 1.3:12-3@1.3 , 3 , false",
    "1.2:1234 , 1.3:12-3@1.3-4@1.3 , 34 , false",
    "1.2:1234 , 1.3:12-3@1.3-4@1.3 , 134 , true",
    "1.2:1234 , 1.3:234-1@1.3 , 34 , true",
    // In doubt: a growth, given up with as few as half of what it would have been.
    "1.2:12-3@1.1 , 1.3:123 , 12 , true",
    "1.2:12-3@1.1 , 1.3:123 , 1 , false",
    "1.2:1234-5@1.1 , 1.3:12345 , 123 , true",
    "1.2:1234-5@1.1 , 1.3:12345 , 12 , false",
    // A growth.
    "1.2:12-3@1.1 , '' , 123 , true",
  })
  void follows(String committed, String undecided, String next, boolean isAllowed) {
    List<MembershipRecord> inDoubt =
        undecided.isEmpty() ? List.of() : List.of(MembershipScript.record(undecided));
    SortedSet<ReplicaId> members = new TreeSet<>();
    next.chars().forEach(digit -> members.add(MembershipScript.id((char) digit)));
    SetsInForce sets = new SetsInForce(MembershipScript.record(committed), inDoubt);
    assertThat(sets.allows(members, RuleSet.ALL)).isEqualTo(isAllowed);
  }
}
