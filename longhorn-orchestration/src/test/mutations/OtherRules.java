import java.util.List;

/** Single changes of rules: an order swapped, a guard dropped, a bound moved. */
final class OtherRules {
  private OtherRules() {}

  static final List<Mutation> ALL =
      List.of(
          // ---- tickets and attachment -----------------------------------------------------------
          new Mutation(
              "A2 before A1: what migrates is not detached although it is faulted",
              "volume/AttachmentPlanner.java",
              "    if (volume.status().robustness() == Robustness.FAULTED\n        || volume",
              "    if (volume.status().robustness() == Robustness.FAULTED && !volume.isMigrating()\n"
                  + "        || volume",
              "AttachmentTicketsTest"),
          new Mutation(
              "A3 before A2: what migrates is detached when its node's ticket goes",
              "volume/AttachmentPlanner.java",
              "    if (volume.isMigratable() && volume.isMigrating()) {\n      return false;",
              "    if (volume.isDeleted()) {\n      return false;",
              "AttachmentTicketsTest"),
          new Mutation(
              "A4: a workload gives way too",
              "volume/AttachmentPlanner.java",
              "    return here.stream().allMatch(ticket -> TicketType.of(ticket).isInterruptible())",
              "    return here.stream().anyMatch(ticket -> TicketType.of(ticket).isInterruptible())",
              "AttachmentTicketsTest"),
          new Mutation(
              "B1: what is faulted is attached",
              "volume/AttachmentPlanner.java",
              "    if (volume.status().robustness() == Robustness.FAULTED) {\n      if",
              "    if (volume.isDeleted()) {\n      if",
              "AttachmentTicketsTest"),
          new Mutation(
              "B2: every level counts",
              "volume/AttachmentPlanner.java",
              "TicketType.of(ticket).level() == highest",
              "TicketType.of(ticket).level() <= highest",
              "AttachmentTicketsTest"),
          new Mutation(
              "W2: a second node is taken whatever the state",
              "volume/AdmissionRule.java",
              "      return volume.status().state() == State.ATTACHED\n",
              "      return volume.status().state() != State.DELETING\n",
              "AdmissionRuleTest"),
          new Mutation(
              "W4: a third node is taken",
              "volume/AdmissionRule.java",
              "    if (others == 1) {",
              "    if (others >= 1) {",
              "AdmissionRuleTest"),
          new Mutation(
              "2.7/2: the ticket of a target is satisfied before it could take over",
              "volume/AttachmentPlanner.java",
              "MigrationPlanner.whyNotAvailable(draft, volume, ticket.nodeID()).isEmpty();",
              "!draft.isStopping();",
              "AttachmentTicketsTest"),
          // ---- migration ------------------------------------------------------------------------
          new Mutation(
              "C3: confirmed although the old node is still wanted",
              "volume/MigrationPlanner.java",
              "if (target.isEmpty() || hasTicket(draft, volume, volume.spec().nodeID())) {",
              "if (target.isEmpty()) {",
              "MigrationDecisionTest"),
          new Mutation(
              "C8 before C7: both tickets gone is a roll-back",
              "volume/MigrationPlanner.java",
              "    if (spec.migrationNodeID().isEmpty() || confirm(draft, volume)) {",
              "    if (spec.migrationNodeID().isEmpty()\n"
                  + "        || (hasTicket(draft, volume, spec.migrationNodeID())\n"
                  + "            && confirm(draft, volume))) {",
              "MigrationDecisionTest"),
          new Mutation(
              "C8: a target that is not wanted any more stays",
              "volume/MigrationPlanner.java",
              "    if (!hasTicket(draft, volume, spec.migrationNodeID())) {",
              "    if (volume.isDeleted()) {",
              "MigrationDecisionTest"),
          new Mutation(
              "C5 is told in every plan",
              "volume/MigrationPlanner.java",
              "      if (!draft.isKnown(volume, Names.MIGRATION, \"C5\")) {",
              "      if (!draft.isStopping()) {",
              "MigrationDecisionTest"),
          new Mutation(
              "M10: it is prepared while nobody knows how the volume is",
              "volume/MigrationPlanner.java",
              "status.robustness() != Robustness.HEALTHY && status.robustness() !="
                  + " Robustness.DEGRADED",
              "status.robustness() == Robustness.FAULTED",
              "MigrationPlannerTest"),
          new Mutation(
              "M10 before M12: a volume whose owner is over waits for its owner",
              "volume/MigrationPlanner.java",
              "    if (isOwnerOver(draft, volume, active.get())\n",
              "    if (status.robustness() != Robustness.UNKNOWN\n"
                  + "        && isOwnerOver(draft, volume, active.get())\n",
              "MigrationPlannerTest"),
          new Mutation(
              "M16: told in every plan",
              "volume/MigrationPlanner.java",
              "    } else if (wasWaiting(draft, volume)) {",
              "    } else {",
              "MigrationPlannerTest"),
          new Mutation(
              "P1: a target that crashed is waited for",
              "volume/MigrationPlanner.java",
              "    return stateOf(other) == InstanceView.State.ERROR\n        ? Optional.of(other",
              "    return stateOf(other) == InstanceView.State.ERROR && node.equals(\"-\")\n"
                  + "        ? Optional.of(other",
              "MigrationPlannerTest"),
          new Mutation(
              "P2: one on a node that is down is stood by for",
              "volume/MigrationReplicas.java",
              "        && !draft.isDown(replica.spec().nodeID())\n",
              "",
              "MigrationPlannerTest"),
          new Mutation(
              "P15: the engine is started before its replicas stand by",
              "volume/MigrationPlanner.java",
              "      if (missing.isPresent() || stateOf(other) != InstanceView.State.STOPPED) {",
              "      if (stateOf(other) != InstanceView.State.STOPPED) {",
              "MigrationPlannerTest"),
          new Mutation(
              "M2: an end that was cut off is not gone on with",
              "volume/MigrationEnd.java",
              "    if (engines.size() < 2 && status.currentMigrationNodeID().isEmpty()) {",
              "    if (engines.size() < 2) {",
              "MigrationEndTest MigrationIssuesTest"),
          new Mutation(
              "M5: with two that match, the first is taken",
              "volume/MigrationEnd.java",
              "    return engines.size() == 1 ? Optional.of(engines.getFirst()) : Optional.empty();",
              "    return engines.isEmpty() ? Optional.empty() : Optional.of(engines.getFirst());",
              "MigrationEndTest"),
          new Mutation(
              "M7: what was made for the winner has no past although it failed",
              "volume/MigrationReplicas.java",
              "        .map(before -> next.withHealth(before.spec().health()))\n",
              "        .map(before -> next)\n",
              "MigrationEndTest"),
          new Mutation(
              "3.3/3: replicas are taken away while it migrates",
              "volume/CleanupPlanner.java",
              "    if (volume.isMigrating() || draft.enginesOf(volume.name()).size() > 1) {",
              "    if (volume.isDeleted()) {",
              "CleanupPlannerTest"),
          // ---- upgrades -------------------------------------------------------------------------
          new Mutation(
              "U3: what stood by stays when it is upgraded detached",
              "volume/UpgradePlanner.java",
              "    draft.put(engine.with(engine.spec().withImage(target,"
                  + " Collections.emptySortedSet())));\n    closeGate();\n    draft.tell(",
              "    draft.put(engine.with(engine.spec().withImage(target,"
                  + " engine.spec().upgradedReplicas())));\n    closeGate();\n    draft.tell(",
              "UpgradePlannerTest UpgradeLifeTest"),
          new Mutation(
              "U4: it is switched while it is degraded",
              "volume/UpgradePlanner.java",
              "    if (status.robustness() == Robustness.DEGRADED) {",
              "    if (status.robustness() == Robustness.FAULTED) {",
              "UpgradePlannerTest"),
          new Mutation(
              "U6: images that cannot follow one another do",
              "volume/UpgradePlanner.java",
              "    if (notLive.isPresent()) {",
              "    if (notLive.isPresent() && volume.isDeleted()) {",
              "UpgradePlannerTest"),
          new Mutation(
              "U7: one in sync is enough",
              "volume/UpgradePlanner.java",
              "    if (running < volume.spec().numberOfReplicas()) {",
              "    if (running < 1) {",
              "UpgradePlannerTest UpgradeLifeTest"),
          new Mutation(
              "U8: some of them are enough",
              "volume/UpgradePlanner.java",
              "    return missing.isEmpty();",
              "    return missing.size() < inSync.size();",
              "UpgradePlannerTest"),
          new Mutation(
              "5.5/1: an engine moves although nobody has set that",
              "volume/UpgradePlanner.java",
              "        draft.settings().is(Settings.Key.ENGINE_UPGRADE_TO_DEFAULT_INSTANCE_MANAGER)\n",
              "        !volume.isDeleted()\n",
              "UpgradePlannerTest OldInstanceManagersTest"),
          new Mutation(
              "5.5/1: one that cannot move is upgraded where it is, in silence",
              "volume/UpgradePlanner.java",
              "            ? draft.defaultManager(engine.spec().nodeID(), true)\n",
              "            ? draft\n"
                  + "                .defaultManager(engine.spec().nodeID(), true)\n"
                  + "                .filter(one -> isReachable(Optional.of(one)))\n"
                  + "                .or(() -> manager)\n",
              "UpgradePlannerTest"),
          new Mutation(
              "6.2/12: an engine that has moved counts as crashed",
              "cluster/InstancePlanner.java",
              "        .filter(one -> hasInstance(draft, one, engine))\n",
              "        .filter(one -> volume.isDeleted())\n",
              "InstancePlannerTest OldInstanceManagersTest"),
          new Mutation(
              "6.2/12: one is where it was seen last, although the one before still has it",
              "cluster/InstancePlanner.java",
              "    if (own.isEmpty() || hasInstance(draft, own.get(), engine)) {",
              "    if (own.isEmpty()) {",
              "InstancePlannerTest"),
          new Mutation(
              "6.2/12: what takes an engine over is stopped as a stray",
              "cluster/InstancePlanner.java",
              "|| hasInstance(draft, manager, engine)) {",
              "|| volume.isDeleted()) {",
              "InstancePlannerTest"),
          new Mutation(
              "5.7/2: the next one before the one before is in sync again",
              "volume/PromotionPlanner.java",
              "    if (before.isPresent()) {",
              "    if (before.isPresent() && volume.isDeleted()) {",
              "PromotionPlannerTest"),
          new Mutation(
              "5.7/2: the last one in sync changes hands",
              "volume/PromotionPlanner.java",
              "    return isLast ? Optional.of(\"it is the only one in sync\") : Optional.empty();",
              "    return Optional.empty();",
              "PromotionPlannerTest"),
          // ---- the life of a volume -------------------------------------------------------------
          new Mutation(
              "7.1/3: replicas are stopped together with the engine",
              "lifecycle/LifecyclePlanner.java",
              "    if (isWaiting) {\n      // Rule 7.1/3",
              "    if (isWaiting && volume.isDeleted()) {\n      // Rule 7.1/3",
              "LifecyclePlannerTest VolumeLifeTest"),
          new Mutation(
              "7.1/10: the engine is started with the first replica",
              "lifecycle/LifecyclePlanner.java",
              "engine.spec().isWanted() || (hasRunning && missing.isEmpty());",
              "engine.spec().isWanted() || hasRunning;",
              "LifecyclePlannerTest"),
          new Mutation(
              "7.1/15: what is confirmed is closed first",
              "lifecycle/LifecyclePlanner.java",
              "    if (isMoving) {",
              "    if (isMoving && volume.isDeleted()) {",
              "LifecyclePlannerTest"),
          new Mutation(
              "7.2/3: one in sync is healthy",
              "lifecycle/RobustnessPlanner.java",
              "        owner.status().inSync() >= volume.spec().numberOfReplicas()",
              "        owner.status().inSync() >= 1",
              "RobustnessPlannerTest"),
          new Mutation(
              "7.2/7: what is faulted is not looked at again",
              "lifecycle/SalvagePlanner.java",
              "    if (RobustnessPlanner.hasSource(draft, volume) || salvage(draft, volume)) {",
              "    if (salvage(draft, volume)) {",
              "SalvagePlannerTest"),
          new Mutation(
              "7.2/8: a replica that was told to end has failed",
              "lifecycle/FailurePlanner.java",
              "    if (!replica.spec().isWanted()) {\n      // It was told",
              "    if (replica.spec().directory().isEmpty()) {\n      // It was told",
              "FailurePlannerTest"),
          new Mutation(
              "7.3/2: the last one that was ever well is given up",
              "volume/CleanupPlanner.java",
              "        && ReplicaRule.isSafeWithout(replica, left);",
              "        && (ReplicaRule.isSafeWithout(replica, left) || true);",
              "CleanupPlannerTest"),
          new Mutation(
              "the record's members are given up like others",
              "volume/CleanupPlanner.java",
              "    return !ReplicaRule.isMember(draft, volume, replica)\n        && ",
              "    return ",
              "CleanupPlannerTest"),
          new Mutation(
              "7.1/18: the volume goes before its replicas",
              "lifecycle/DeletionPlanner.java",
              "        isDone = false;\n        waits(draft, volume, replica.name()",
              "        waits(draft, volume, replica.name()",
              "DeletionPlannerTest"),
          // ---- replicas -------------------------------------------------------------------------
          new Mutation(
              "7.4/1: placed on a cordoned node",
              "volume/SchedulingRule.java",
              "    if (node.isCordoned() && skipsCordoned) {",
              "    if (node.isCordoned() && !skipsCordoned) {",
              "SchedulingRuleTest"),
          new Mutation(
              "7.4/3: as much is promised as anybody asks for",
              "volume/SchedulingRule.java",
              "    return promised + size <= mayPromise\n",
              "    return promised <= mayPromise\n",
              "SchedulingRuleTest"),
          new Mutation(
              "7.4/4: two on one node before two zones",
              "volume/SchedulingRule.java",
              "    if (zone == Use.UNUSED) {",
              "    if (here == Use.UNUSED) {",
              "SchedulingRuleTest"),
          new Mutation(
              "7.5/3: tried again at once, for ever",
              "volume/ReplenishPlanner.java",
              "    if (at <= draft.nowMillis()) {",
              "    if (at >= 0) {",
              "ReplenishPlannerTest"),
          new Mutation(
              "7.5/4: another one is made at once",
              "volume/ReplenishPlanner.java",
              "    if (hope.isEmpty() || until <= draft.nowMillis()) {",
              "    if (hope.isEmpty() || until > 0) {",
              "ReplenishPlannerTest"),
          new Mutation(
              "7.5/6: who has to leave is the last to go",
              "volume/CleanupPlanner.java",
              "    return Comparator.comparing((Replica replica) ->"
                  + " !replica.spec().isEvictionRequested())",
              "    return Comparator.comparing((Replica replica) ->"
                  + " replica.spec().isEvictionRequested())",
              "CleanupPlannerTest"),
          new Mutation(
              "7.6/1: an engine fills two at a time",
              "volume/RebuildPlanner.java",
              "    if (filling.isPresent()) {\n      return wait(",
              "    if (filling.isPresent() && volume.isDeleted()) {\n      return wait(",
              "RebuildPlannerTest"),
          new Mutation(
              "7.6/2: a node takes one more than it may",
              "replica/ReplicaRule.java",
              "    if (comingBackOn(draft, node) < limit) {",
              "    if (comingBackOn(draft, node) <= limit) {",
              "RebuildPlannerTest ReplenishPlannerTest"),
          new Mutation(
              "7.6/4: a replica is filled while it migrates",
              "volume/RebuildPlanner.java",
              "    if (volume.isMigrating() || draft.enginesOf(volume.name()).size() != 1) {",
              "    if (draft.enginesOf(volume.name()).isEmpty()) {",
              "RebuildPlannerTest"),
          new Mutation(
              "7.7/3: who has to leave counts as one that stays",
              "replica/ReplicaRule.java",
              "        && !replica.spec().health().isFailed()\n"
                  + "        && !replica.spec().isEvictionRequested();",
              "        && !replica.spec().health().isFailed();",
              "EvictionPlannerTest"),
          // ---- nodes and instance managers ------------------------------------------------------
          new Mutation(
              "5.9/2: an old instance manager is ended although something runs in it",
              "cluster/InstanceManagerPlanner.java",
              "case RUNNING -> draft.seen(manager).isIdle();",
              "case RUNNING -> draft.seen(manager).instances().values().stream()"
                  + ".noneMatch(one -> one.uuid().isEmpty());",
              "InstanceManagerPlannerTest OldInstanceManagersTest"),
          new Mutation(
              "5.9/2: an instance manager that has become idle is no reason to plan for the cluster",
              "ClusterView.java",
              "    isClusterDirty |= before.isIdle() != now.isIdle();\n",
              "",
              "ClusterViewTest"),
          new Mutation(
              "6.1/5: doubt overwrites an error",
              "cluster/InstanceManagerPlanner.java",
              "return state != InstanceManager.State.ERROR && isDown ?",
              "return isDown ?",
              "InstanceManagerPlannerTest"),
          new Mutation(
              "6.1/6: started on a cordoned node",
              "cluster/InstanceManagerPlanner.java",
              "            .filter(node -> !node.isOff() && !node.isCordoned())",
              "            .filter(node -> !node.isOff())",
              "InstanceManagerPlannerTest"),
          new Mutation(
              "6.2/9: a crash is over as soon as something runs again",
              "cluster/InstanceRule.java",
              "    boolean isOther = wasStarted && !isSame;",
              "    boolean isOther = wasStarted && !isSame && before.pid() < 0;",
              "InstanceRuleTest"),
          new Mutation(
              "6.2/11: an engine that crashed is started again under a guest",
              "cluster/InstancePlanner.java",
              "        && !view.isStarted()\n",
              "",
              "InstancePlannerTest"),
          new Mutation(
              "8/5: drained although an engine runs there",
              "cluster/DrainRule.java",
              "    if (engine.isPresent()) {",
              "    if (engine.isPresent() && node.isEmpty()) {",
              "DrainRuleTest"),
          new Mutation(
              "8/6: what cannot be reached is taken for gone",
              "replica/RemovalRule.java",
              "    if (!canBeAsked || replica.status().instance().mayRun()) {\n      return false;",
              "    if (!canBeAsked || replica.status().instance().mayRun()) {\n"
                  + "      draft.remove(replica.key());\n      return true;",
              "CleanupPlannerTest DeletionPlannerTest"),
          new Mutation(
              "1.2: the volume is stored before its engine and replicas",
              "Draft.java",
              "      case VOLUME -> 7;",
              "      case VOLUME -> 0;",
              "MigrationCutTest UpgradeCutTest"));
}
