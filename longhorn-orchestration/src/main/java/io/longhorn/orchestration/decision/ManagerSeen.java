package io.longhorn.orchestration.decision;

import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What was last seen of an instance manager.
 *
 * @param reach whether it can be talked to
 * @param pid of its process, 0 if not known
 * @param instances what it has, by name; as of the last time it answered
 */
public record ManagerSeen(Reach reach, long pid, SortedMap<String, Instance> instances) {
  /** Nobody has looked yet. */
  public static final ManagerSeen NOT_YET = new ManagerSeen(Reach.NOT_SEEN, 0, new TreeMap<>());

  /** Copies the map. */
  public ManagerSeen {
    instances = Collections.unmodifiableSortedMap(new TreeMap<>(instances));
  }

  /** Whether nothing runs in it, or is being started or stopped. */
  public boolean isIdle() {
    return instances.values().stream().allMatch(Instance::isOver);
  }

  /** Whether it can be talked to. */
  public enum Reach {
    /** Nobody has looked yet: what is known stays known. */
    NOT_SEEN,
    /** It answers. */
    CONNECTED,
    /** Nobody listens where it did: its process is gone, and with it all it had started. */
    GONE,
    /** It does not answer, and may live. */
    UNREACHABLE,
    /** It is being started, and does not answer yet. */
    STARTING,
    /** It was told to end, and nobody waits for it any more: what it had started is lost. */
    TERMINATING
  }

  /**
   * One process.
   *
   * @param state what its instance manager says
   * @param uuid of this start
   * @param pid of the process, 0 if it is gone
   * @param message why it ended, empty if it did not or was told to
   * @param isStandby of a replica: it serves, and does not hold its directory
   */
  public record Instance(State state, String uuid, long pid, String message, boolean isStandby) {
    /** One that does not stand by. */
    public Instance(State state, String uuid, long pid, String message) {
      this(state, uuid, pid, message, false);
    }

    /** Whether it has ended. */
    public boolean isOver() {
      return state == State.STOPPED || state == State.ERROR;
    }
  }

  /** What an instance manager says of a process (section 6.4). */
  public enum State {
    /** Started, does not serve yet. */
    STARTING,
    /** Serves. */
    RUNNING,
    /** Asked to stop. */
    STOPPING,
    /** Ended with 0. */
    STOPPED,
    /** Ended otherwise. */
    ERROR
  }
}
