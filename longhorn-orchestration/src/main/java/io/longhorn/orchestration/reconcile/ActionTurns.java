package io.longhorn.orchestration.reconcile;

import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Action.ProcessAction;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Whose turn it is: one action for a subject at a time, the same one again only after a {@link
 * Backoff}. What may not begin is not lost: the next plan asks again. One thread begins actions; any
 * may end them.
 */
public final class ActionTurns {
  private final Backoff backoff = new Backoff();
  private final Set<String> underWay = ConcurrentHashMap.newKeySet();

  /** Nothing is under way. */
  public ActionTurns() {}

  /** Whether an action may begin now; if so, it has. */
  public boolean begin(ProcessAction action, long nowMillis) {
    forgetOpposites(action);
    if (underWay.contains(action.subject())
        || !backoff.mayTry(name(action.getClass(), action.subject()), nowMillis)) {
      return false;
    }
    underWay.add(action.subject());
    return true;
  }

  /** It is over, whether it went well or not. */
  public void end(ProcessAction action) {
    underWay.remove(action.subject());
  }

  /** What an action is called. */
  static String name(ProcessAction action) {
    return name(action.getClass(), action.subject());
  }

  private static String name(Class<? extends ProcessAction> type, String subject) {
    return type.getSimpleName() + " " + subject;
  }

  /**
   * A process that runs, or starts, and is told to stop has not crashed: it may be started again at
   * once, however often. One that is started may then be stopped at once.
   */
  private void forgetOpposites(ProcessAction action) {
    List<Class<? extends ProcessAction>> opposites =
        switch (action) {
          case Action.StopInstance _ ->
              List.of(Action.StartReplica.class, Action.StartEngine.class);
          case Action.StartReplica _, Action.StartEngine _ ->
              List.of(Action.StopInstance.class, Action.ForgetInstance.class);
          case Action.KillInstanceManager _ -> List.of(Action.StartInstanceManager.class);
          case Action.StartInstanceManager _ -> List.of(Action.KillInstanceManager.class);
          case Action.CreateDirectory _,
              Action.DeleteDirectory _,
              Action.ForgetInstance _,
              Action.SwapEngine _,
              Action.ConfigureEngine _,
              Action.FinishMigration _,
              Action.PromoteReplica _ ->
              List.of();
        };
    opposites.forEach(opposite -> backoff.forget(name(opposite, action.subject())));
  }
}
