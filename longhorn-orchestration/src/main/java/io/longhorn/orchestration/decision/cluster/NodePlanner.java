package io.longhorn.orchestration.decision.cluster;

import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.Node;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.NodeSeen;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Which nodes are ready (rule 1 of section 8). With an orchestrator it is what that says; without
 * one, a node is ready if its power is on and its instance managers run.
 */
public final class NodePlanner {
  /** For so long it means nothing that a node says of itself it is not ready: it restarts. */
  static final long NOT_READY_GRACE_MILLIS = 15_000;

  /** Type of the condition that says what the orchestrator says. */
  static final String KUBE_READY = "KubeReady";

  /** Reason of a node that is up. */
  static final String UP = "KubeletReady";

  /** Reason of a node that is up but for this system's own agent on it. */
  static final String AGENT_DOWN = "ManagerPodDown";

  /** Reason of a node without an instance manager that answers. */
  static final String NO_MANAGER = "InstanceManagerNotRunning";

  private NodePlanner() {}

  /** What the orchestrator says of nodes; instance managers follow from it. */
  public static void observe(Draft draft) {
    for (Node node : draft.nodes()) {
      draft
          .view()
          .node(node.name())
          .ifPresent(seen ->
              put(draft, node, kube(node, seen), ready(draft, node, seen).orElse(node.ready())));
    }
  }

  /** The nodes of which no orchestrator says anything: they follow from their instance managers. */
  public static void plan(Draft draft) {
    for (Node node : draft.nodes()) {
      if (isAlone(draft, node)) {
        ready(draft, node).ifPresent(ready -> put(draft, node, node.kube(), ready));
      }
    }
  }

  /** Whether no orchestrator has ever said anything of it. */
  static boolean isAlone(Draft draft, Node node) {
    return draft.view().node(node.name()).isEmpty() && node.kube().reason().isEmpty();
  }

  private static void put(Draft draft, Node node, Condition kube, Condition ready) {
    boolean isSame = ready.saysSame(node.ready());
    if (isSame && kube.equals(node.kube())) {
      return;
    }
    draft.put(node.with(kube, isSame ? node.ready() : ready));
    boolean isNews =
        ready.isTrue() != node.ready().isTrue() || !ready.reason().equals(node.ready().reason());
    if (isNews) {
      draft.tell(
          node,
          !ready.isTrue(),
          ready.isTrue() ? "NodeReady" : "NodeNotReady",
          "node " + node.name() + (ready.isTrue() ? " is ready" : ": " + ready.message()));
    }
  }

  // ---- with an orchestrator -------------------------------------------------------------------

  private static Condition kube(Node node, NodeSeen seen) {
    String reason =
        switch (seen.kube()) {
          case TRUE -> UP;
          case FALSE, UNKNOWN -> Names.NODE_NOT_READY;
          case GONE -> Names.NODE_GONE;
        };
    return new Condition(
        KUBE_READY,
        seen.kube() == NodeSeen.Kube.TRUE,
        reason,
        saying(node, seen),
        seen.sinceMillis());
  }

  private static String saying(Node node, NodeSeen seen) {
    return switch (seen.kube()) {
      case TRUE -> "";
      case FALSE -> node.name() + " says that it is not ready";
      case UNKNOWN -> node.name() + " does not answer";
      case GONE -> "there is no node " + node.name();
    };
  }

  /** What counts of what is said; empty: nothing has changed yet. */
  private static Optional<Condition> ready(Draft draft, Node node, NodeSeen seen) {
    Condition known = node.ready();
    boolean isYoung = draft.nowMillis() - seen.sinceMillis() < NOT_READY_GRACE_MILLIS;
    // Rule 8/1: a node's own word counts when it has lasted (#7302, #13109); silence counts at
    // once.
    if (seen.kube() == NodeSeen.Kube.FALSE && isYoung) {
      draft.lookAgain(seen.sinceMillis() + NOT_READY_GRACE_MILLIS);
      return Names.isDownReason(known.reason())
          ? Optional.empty()
          : Optional.of(served(draft, node, seen));
    }
    return Optional.of(
        switch (seen.kube()) {
          case TRUE -> served(draft, node, seen);
          case FALSE, UNKNOWN -> notReady(draft, Names.NODE_NOT_READY, saying(node, seen));
          case GONE -> notReady(draft, Names.NODE_GONE, saying(node, seen));
        });
  }

  private static Condition served(Draft draft, Node node, NodeSeen seen) {
    if (node.isOff()) {
      return off(draft, node);
    }
    return seen.isServed()
        ? draft.condition(Names.READY, true, UP, "")
        : notReady(draft, AGENT_DOWN, "nothing of this system answers on " + node.name());
  }

  // ---- without --------------------------------------------------------------------------------

  private static Optional<Condition> ready(Draft draft, Node node) {
    if (node.isOff()) {
      return Optional.of(off(draft, node));
    }
    if (draft.managersOn(node.name()).stream().noneMatch(draft::isSeen)) {
      // A new daemon has not looked yet: that is no news.
      return Optional.empty();
    }
    String missing = missing(draft, node);
    return Optional.of(
        missing == null
            ? draft.condition(Names.READY, true, UP, "")
            : notReady(draft, NO_MANAGER, missing));
  }

  /** What does not run of what starts engines and replicas there; null if nothing. */
  private static @Nullable String missing(Draft draft, Node node) {
    for (boolean isForEngine : List.of(true, false)) {
      Optional<InstanceManager> manager = draft.defaultManager(node.name(), isForEngine);
      if (manager.isEmpty()) {
        return "no instance manager starts " + (isForEngine ? "engines" : "replicas");
      }
      if (manager.get().state() != InstanceManager.State.RUNNING) {
        return manager.get().name() + " is " + manager.get().state().text();
      }
    }
    return null;
  }

  private static Condition off(Draft draft, Node node) {
    return notReady(draft, Names.NODE_NOT_READY, "the power of " + node.name() + " is off");
  }

  private static Condition notReady(Draft draft, String reason, String message) {
    return draft.condition(Names.READY, false, reason, message);
  }
}
