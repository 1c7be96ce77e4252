package io.longhorn.orchestration.decision.cluster;

import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.InstanceView.State;
import io.longhorn.orchestration.decision.ManagerSeen;
import org.jspecify.annotations.Nullable;

/**
 * What an engine or a replica is doing, from what its instance manager says (section 6.2). A crash
 * is: not running although it was started. The numbers of the rules are those of the rows; 6.2/9 is
 * when it counts as started, 6.2/10 one that runs on another node than it should, or can never
 * serve again.
 *
 * <p>Two rows differ from Longhorn's, because what cannot be seen must not be thought stopped: what
 * ran, and is not wanted any more, is unknown (not stopped) while its instance manager is. And a
 * process that is there under another uuid than the one that was started means that one has
 * crashed, although one of that name runs.
 */
public final class InstanceRule {
  private InstanceRule() {}

  /**
   * Derives.
   *
   * @param before what was known
   * @param isWanted whether it is to run
   * @param mayRestart whether a start after a crash, while it is still wanted, is one as good as
   *     the first: so for a replica; an engine that has crashed stays so until it is not wanted any
   *     more, for its volume is detached first
   * @param manager of its node, null if there is none
   * @param seen what that has under the name, null if nothing
   */
  static InstanceView derive(
      InstanceView before,
      boolean isWanted,
      boolean mayRestart,
      @Nullable InstanceManager manager,
      ManagerSeen.@Nullable Instance seen) {
    // Rule 6.2/9: from when it was seen running until it is not wanted any more.
    boolean wasStarted = before.isStarted() && isWanted;
    if (manager == null) {
      // Rule 6.2/1, 6.2/2: no instance manager, nobody who could say.
      return wasStarted ? lost(before, State.UNKNOWN, "no instance manager") : InstanceView.NONE;
    }
    return switch (manager.state()) {
      // Rule 6.2/1: unknown is not an error (I9). Rule 6.2/2: what never ran does not run.
      case UNKNOWN ->
          wasStarted || (before.mayRun() && before.pid() != 0)
              ? lost(before, State.UNKNOWN, manager.name() + " cannot be reached")
              : InstanceView.NONE;
      // Rule 6.2/3: it is gone, and so is all that it had started.
      case STOPPED, ERROR ->
          wasStarted ? gone(before, manager.name() + " crashed") : InstanceView.NONE;
      // Rule 6.2/4: this is another start of it.
      case STARTING -> wasStarted ? gone(before, manager.name() + " crashed") : InstanceView.NONE;
      case RUNNING -> {
        boolean isNewStart =
            mayRestart
                && before.currentState() == State.ERROR
                && seen != null
                && !seen.uuid().equals(before.uuid());
        yield ofRunning(before, isWanted, wasStarted && !isNewStart, manager, seen);
      }
    };
  }

  private static InstanceView ofRunning(
      InstanceView before,
      boolean isWanted,
      boolean wasStarted,
      InstanceManager manager,
      ManagerSeen.@Nullable Instance seen) {
    if (seen == null) {
      // Rule 6.2/5: it does not know it (any more).
      return wasStarted
          ? gone(before, "its process is gone from " + manager.name())
          : InstanceView.NONE;
    }
    boolean isSame = seen.uuid().equals(before.uuid());
    State state =
        switch (seen.state()) {
          // Rule 6.2/6: as it says.
          case STARTING -> State.STARTING;
          case RUNNING -> State.RUNNING;
          // Rule 6.2/7: nobody told it to stop.
          case STOPPING -> wasStarted && isSame ? State.ERROR : State.STOPPING;
          case STOPPED -> wasStarted && isSame ? State.ERROR : State.STOPPED;
          // Rule 6.2/8: as it says.
          case ERROR -> State.ERROR;
        };
    // Another start of the process than the one that was seen: that one has crashed.
    boolean isOther = wasStarted && !isSame;
    boolean isStarted = isOther || (isWanted && (state == State.RUNNING || wasStarted));
    return new InstanceView(
        isOther ? State.ERROR : state,
        isStarted,
        manager.name(),
        isOther ? before.uuid() : seen.uuid(),
        seen.pid(),
        seen.message());
  }

  /** It runs, and not where it should. */
  static InstanceView misplaced(InstanceView running, String node) {
    return failed(
        running, "it runs in " + running.instanceManagerName() + " and belongs on " + node);
  }

  /** It runs, and can never have its volume again. */
  static InstanceView useless(InstanceView running) {
    return failed(running, "it was given up, and cannot have the volume any more");
  }

  private static InstanceView failed(InstanceView running, String why) {
    return new InstanceView(
        State.ERROR, true, running.instanceManagerName(), running.uuid(), running.pid(), why);
  }

  private static InstanceView gone(InstanceView before, String why) {
    return new InstanceView(State.ERROR, true, before.instanceManagerName(), before.uuid(), 0, why);
  }

  private static InstanceView lost(InstanceView before, State state, String why) {
    return new InstanceView(
        state, before.isStarted(), before.instanceManagerName(), before.uuid(), before.pid(), why);
  }
}
