package io.longhorn.orchestration.decision.cluster;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.InstanceManager.State;
import io.longhorn.api.cluster.Node;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;

/** Nodes and their instance managers (sections 6.1 and 8). */
public final class NodePlanner {
  /** Reason of a node that is up. */
  static final String READY = "KubeletReady";

  /** Reason of a node whose power is off. */
  static final String NOT_READY = "KubernetesNodeNotReady";

  /** Reason of a node without an instance manager that answers. */
  static final String NO_MANAGER = "InstanceManagerNotRunning";

  private NodePlanner() {}

  public static void plan(Draft draft) {
    for (InstanceManager manager : draft.instanceManagers()) {
      // A new daemon has not looked yet: that is no news.
      if (draft.isSeen(manager)) {
        draft.node(manager.nodeID()).ifPresent(node -> plan(draft, node, manager));
      }
    }
  }

  private static void plan(Draft draft, Node node, InstanceManager before) {
    ManagerSeen seen = draft.seen(before);
    InstanceManager manager =
        before.with(state(before, node, seen), pid(before, seen), draft.nowMillis());
    draft.put(manager);
    if (before.state() == State.RUNNING && manager.state() == State.ERROR) {
      draft.tell(
          manager,
          true,
          "InstanceManagerCrashed",
          "the process of " + manager.name() + " is gone, and with it all it had started");
    }
    if (node.isOff()) {
      if (seen.reach() != Reach.GONE) {
        draft.act(new Action.KillInstanceManager(manager));
      }
    } else if (!draft.isStopping() && seen.reach() == Reach.GONE) {
      draft
          .image(manager.image())
          .ifPresent(image -> draft.act(new Action.StartInstanceManager(manager, node, image)));
    }
    Condition ready = ready(draft, node, manager);
    if (!ready.saysSame(node.ready())) {
      draft.put(node.with(node.kube(), ready));
      if (before.state() != State.STOPPED || !ready.isTrue()) {
        draft.tell(
            node,
            !ready.isTrue(),
            ready.isTrue() ? "NodeReady" : "NodeNotReady",
            "node " + node.name() + (ready.isTrue() ? " is ready" : ": " + ready.message()));
      }
    }
  }

  /** One that never answered this daemon has the process that is known of it. */
  private static long pid(InstanceManager before, ManagerSeen seen) {
    return seen.reach() == Reach.UNREACHABLE && seen.pid() == 0 ? before.pid() : seen.pid();
  }

  /** 6.1: a node that is down makes what ran there unknown, unless it is known to have failed. */
  private static State state(InstanceManager before, Node node, ManagerSeen seen) {
    if (node.isOff()) {
      return before.state() == State.ERROR ? State.ERROR : State.UNKNOWN;
    }
    return switch (seen.reach()) {
      case NOT_SEEN -> before.state();
      case CONNECTED -> State.RUNNING;
      case GONE ->
          before.state() == State.STOPPED || before.state() == State.STARTING
              ? State.STARTING
              : State.ERROR;
      case UNREACHABLE ->
          before.state() == State.STOPPED || before.state() == State.ERROR
              ? before.state()
              : State.UNKNOWN;
      case STARTING -> State.STARTING;
      case TERMINATING -> State.ERROR;
    };
  }

  private static Condition ready(Draft draft, Node node, InstanceManager manager) {
    if (node.isOff()) {
      return draft.condition("Ready", false, NOT_READY, "the power of " + node.name() + " is off");
    }
    return manager.state() == State.RUNNING
        ? draft.condition("Ready", true, READY, "")
        : draft.condition(
            "Ready", false, NO_MANAGER, manager.name() + " is " + manager.state().text());
  }
}
