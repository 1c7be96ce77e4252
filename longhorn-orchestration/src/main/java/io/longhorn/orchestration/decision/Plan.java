package io.longhorn.orchestration.decision;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.ObjectKey;
import java.util.List;

/**
 * What one look at the cluster asks for. Applied as a whole, the next one is empty; cut off
 * anywhere, the next one goes on from there.
 *
 * @param actions in the order in which they are to be carried out; empty if all is as wanted
 * @param reasons which rule waits, for what, since when
 * @param lookAgainMillis when time alone may change the plan, in milliseconds since 1970; {@link
 *     Long#MAX_VALUE} if never
 */
public record Plan(List<Action> actions, List<Reason> reasons, long lookAgainMillis) {
  /** Copies the lists. */
  public Plan {
    actions = List.copyOf(actions);
    reasons = List.copyOf(reasons);
  }

  /**
   * Why something is not as wanted.
   *
   * @param about what waits
   * @param what the rule's name, a line for a person, since when
   */
  public record Reason(ObjectKey about, Condition what) {}
}
