import java.util.List;

/**
 * What Longhorn decides, put back: the rows of "where Longhorn is wrong we are right", the holes H1
 * to H5, and the issues whose cause was a decision. What is not here has nothing to be put back: no
 * list of snapshots is compared (C6, #6215, #6238), no revision counter is read (H4), and what a
 * process or a device does (harvester #11208) is not decided.
 */
final class LonghornRules {
  private LonghornRules() {}

  static final List<Mutation> ALL =
      List.of(
          // ---- who decides how a volume is ------------------------------------------------------
          new Mutation(
              "robustness and A1 look at the active engine",
              "lifecycle/RobustnessPlanner.java",
              "MigrationEnd.winner(draft, volume) : draft.ownerOf(volume))",
              "MigrationEnd.winner(draft, volume) : draft.engineOf(volume))",
              "RobustnessPlannerTest SeedScenariosTest"),
          new Mutation(
              "M12 looks at the active engine",
              "volume/MigrationPlanner.java",
              "Engine owner = draft.ownerOf(volume).orElse(active);",
              "Engine owner = active;",
              "MigrationPlannerTest SeedScenariosTest"),
          new Mutation(
              "the guest has moved and the source dies: everything is taken down (M12)",
              "volume/MigrationPlanner.java",
              "          .filter(other -> !owner.equals(Optional.of(other.name())))\n",
              "",
              "MigrationPlannerTest"),
          // ---- confirm --------------------------------------------------------------------------
          new Mutation(
              "H2: one replica in sync at the target is enough",
              "volume/MigrationPlanner.java",
              "      if (!isLinked(engine, member)) {\n",
              "      if (record.get().membership().members().stream().noneMatch(one -> isLinked(engine,"
                  + " one))) {\n",
              "MigrationDecisionTest"),
          new Mutation(
              "H2: who is in sync is believed of whoever says it, owner or not",
              "replica/ReplicaRule.java",
              "isRunning(engine) && engine.status().generation() >= newest",
              "isRunning(engine)",
              "RobustnessPlannerTest"),
          new Mutation(
              "a migration is confirmed although nobody knows of the owner (6.1)",
              "volume/MigrationPlanner.java",
              "whyNotAvailable(draft, volume, target).or(() -> whyNoOwner(draft, volume));",
              "whyNotAvailable(draft, volume, target);",
              "MigrationDecisionTest"),
          new Mutation(
              "C4 is looked at before C5: one of the seed's two lines is missing (5.1)",
              "volume/MigrationPlanner.java",
              "if (why.isPresent() && (isDown || hasTicket(draft, volume, target))) {",
              "if (why.isPresent() && !isDown && hasTicket(draft, volume, target)) {",
              "MigrationDecisionTest"),
          new Mutation(
              "C4: a target that owns the volume is given up because its node does not answer (I9)",
              "volume/MigrationPlanner.java",
              "    if (isDown && !isKept(draft, volume, target)) {\n",
              "    if (isDown) {\n",
              "MigrationDecisionTest"),
          // ---- the target follows the record ----------------------------------------------------
          new Mutation(
              "P3: a replica that comes back takes the target down",
              "volume/MigrationPlanner.java",
              "    MigrationReplicas.prepare(draft, volume, other);\n    Optional<String> missing",
              """
                  if (active.status().replicas().values().stream()
                      .anyMatch(member -> member.mode() == ReplicaMode.WO)) {
                    MigrationEnd.retire(draft, volume, other);
                    return;
                  }
                  MigrationReplicas.prepare(draft, volume, other);
                  Optional<String> missing""",
              "MigrationIssuesTest MigrationPlannerTest"),
          new Mutation(
              "P5: a replica that is about to be rebuilt takes the target down",
              "volume/MigrationPlanner.java",
              "    MigrationReplicas.prepare(draft, volume, other);\n    Optional<String> missing",
              """
                  if (draft.activeReplicasOf(volume).stream()
                      .anyMatch(own ->
                          active.status().replicas().get(own.spec().id()) == null
                              || active.status().replicas().get(own.spec().id()).mode()
                                  == ReplicaMode.ERR)) {
                    MigrationEnd.retire(draft, volume, other);
                    return;
                  }
                  MigrationReplicas.prepare(draft, volume, other);
                  Optional<String> missing""",
              "MigrationPlannerTest"),
          new Mutation(
              "P13: no replica of the target runs: it is taken down",
              "volume/MigrationPlanner.java",
              "    if (!other.spec().isWanted()) {\n      if (missing",
              """
                  if (other.spec().isWanted()
                      && draft.replicasOf(volume).stream()
                          .filter(one -> one.spec().engineName().equals(other.name()))
                          .noneMatch(one ->
                              one.status().instance().currentState()
                                  == InstanceView.State.RUNNING)) {
                    MigrationEnd.retire(draft, volume, other);
                    return;
                  }
                  if (!other.spec().isWanted()) {
                    if (missing""",
              "MigrationPlannerTest MigrationIssuesTest"),
          new Mutation(
              "P14, #6961: the target is started again when its set of replicas changes",
              "volume/MigrationPlanner.java",
              "    if (!other.spec().isWanted()) {\n      if (missing",
              """
                  if (other.spec().isWanted() && missing.isPresent()) {
                    draft.put(other.with(other.spec().withWanted(false)));
                    return;
                  }
                  if (!other.spec().isWanted()) {
                    if (missing""",
              "MigrationPlannerTest MigrationIssuesTest"),
          // ---- fencing --------------------------------------------------------------------------
          new Mutation(
              "no fencing: the other engine is stopped before the record names the winner alone",
              "volume/MigrationEnd.java",
              "    if (isSettled(draft, now, winner.get())) {\n",
              "    if (isSettled(draft, now, winner.get()) || true) {\n",
              "MigrationEndTest"),
          new Mutation(
              "M6: the record names the winner before the decision is stored",
              "volume/MigrationEnd.java",
              "    if (!isStored(draft, volume)) {\n",
              "    if (!isStored(draft, volume) && engines.isEmpty()) {\n",
              "MigrationEndTest"),
          new Mutation(
              "no fencing: two may claim after a migration",
              "volume/MigrationEnd.java",
              "    if (record.claimants().equals(alone) && record.phase() == VolumeRecord.Phase.NONE) {",
              "    if (record.claimants().containsAll(alone)) {",
              "MigrationEndTest"),
          new Mutation(
              "whoever is cut off may claim a volume that is detached",
              "lifecycle/ClaimantPlanner.java",
              "      name(draft, membership.get(), Collections.emptySortedSet());\n",
              "",
              "ClaimantPlannerTest"),
          new Mutation(
              "what is not wanted on a node out of reach has stopped",
              "cluster/InstanceRule.java",
              "wasStarted || (before.mayRun() && before.pid() != 0)",
              "wasStarted",
              "InstanceRuleTest"),
          // ---- salvage --------------------------------------------------------------------------
          new Mutation(
              "salvage takes whatever failed within a minute of the last",
              "lifecycle/SalvagePlanner.java",
              "      if (ReplicaRule.isMember(draft, volume, replica)) {",
              """
                    long last =
                        draft.activeReplicasOf(volume).stream()
                            .mapToLong(one -> one.spec().health().failedAtMillis())
                            .max()
                            .orElse(0);
                    if (last - replica.spec().health().failedAtMillis() <= 60_000) {""",
              "SalvagePlannerTest"),
          // ---- upgrades -------------------------------------------------------------------------
          new Mutation(
              "5.6: the new process counts before it owns the volume",
              "volume/UpgradePlanner.java",
              "        && draft.image(runs).isPresent()\n        && isOwner;",
              "        && draft.image(runs).isPresent();",
              "UpgradePlannerTest UpgradeLifeTest"),
          new Mutation(
              "5.8: tried for ever",
              "volume/UpgradePlanner.java",
              "    if (limit > 0 && upgrade.attempts() >= limit) {",
              "    if (limit > 1_000_000) {",
              "UpgradePlannerTest UpgradeLifeTest"),
          new Mutation(
              "5.8: a try that failed is not counted",
              "volume/UpgradePlanner.java",
              "      upgrade = upgrade.failed(failure.get(), draft.nowMillis());\n",
              "",
              "UpgradePlannerTest UpgradeLifeTest"),
          new Mutation(
              "5.8: it is not said why it waits",
              "volume/UpgradePlanner.java",
              "    draft.waits(volume, Names.UPGRADE, rule, message);",
              "    if (rule.isEmpty()) { draft.waits(volume, Names.UPGRADE, rule, message); }",
              "UpgradePlannerTest"),
          new Mutation(
              "5.3: an upgrade that waits for ever takes its node's turn",
              "cluster/AutoUpgradePlanner.java",
              "if (volume.isUpgrading() && !waitsForDetach(volume)) {",
              "if (volume.isUpgrading()) {",
              "AutoUpgradePlannerTest"),
          // ---- while it migrates ----------------------------------------------------------------
          new Mutation(
              "nothing comes back as long as a migration lasts",
              "volume/ReplenishPlanner.java",
              "    if (missing > 0 && useAgain() >= missing) {",
              "    if (!volume.isMigrating() && missing > 0 && useAgain() >= missing) {",
              "ReplenishPlannerTest"),
          new Mutation(
              "a migration that failed keeps the transition's place (C0)",
              "volume/MigrationPlanner.java",
              "      if (!spec.migrationNodeID().isEmpty()) {\n        change(",
              "      if (spec.migrationNodeID().isBlank() && !spec.migrationNodeID().isEmpty()) {\n"
                  + "        change(",
              "MigrationDecisionTest"),
          // ---- holes ----------------------------------------------------------------------------
          new Mutation(
              "H1, H3, #10495: what stands by opens the files of the other one",
              "cluster/InstancePlanner.java",
              "manager, replica, image.get(), hasPartner(draft, volume, replica)));",
              "manager, replica, image.get(), false));",
              "InstancePlannerTest"),
          new Mutation(
              "H1, H3: directories change hands while two engines use them",
              "volume/PromotionPlanner.java",
              "            && !isMigrating()\n            && engine.status()",
              "            && engine.status()",
              "PromotionPlannerTest"),
          new Mutation(
              "H5: it is over before the other engine is gone",
              "volume/MigrationEnd.java",
              "    if (!left.isEmpty()) {",
              "    if (left.size() > 7) {",
              "MigrationEndTest"),
          // ---- issues ---------------------------------------------------------------------------
          new Mutation(
              "#7396, #5632: a directory goes with one of the two objects that name it",
              "replica/RemovalRule.java",
              "    if (hasPartner(replica, draft.replicasOf(volume))) {",
              "    if (replica.spec().isActive() && hasPartner(replica, draft.replicasOf(volume))) {",
              "MigrationIssuesTest PromotionPlannerTest"),
          new Mutation(
              "#7396: the last object of a member's directory goes",
              "volume/MigrationReplicas.java",
              "    if (!isLast && !isServing) {",
              "    if (!isServing) {",
              "MigrationIssuesTest"),
          new Mutation(
              "#6642, #4827: two engines are the volume's, and nothing goes on",
              "volume/MigrationEnd.java",
              "    if (engines.stream().filter(engine -> engine.spec().isActive()).count() == 1) {",
              "    if (!engines.isEmpty()) {",
              "MigrationEndTest"),
          new Mutation(
              "#7302, #13109: a node agent that restarts counts as down",
              "cluster/NodePlanner.java",
              "    if (seen.kube() == NodeSeen.Kube.FALSE && isYoung) {",
              "    if (isYoung && seen.sinceMillis() < 0) {",
              "NodePlannerTest"),
          new Mutation(
              "#13109: a migration begins towards a node that is not ready (C1w)",
              "volume/MigrationPlanner.java",
              "    if (draft.node(target.get()).filter(found -> found.ready().isTrue()).isEmpty()) {",
              "    if (draft.node(target.get()).isEmpty()) {",
              "MigrationIssuesTest MigrationDecisionTest"),
          new Mutation(
              "#7302: what cannot be seen is made anew",
              "volume/MigrationReplicas.java",
              "          case STOPPED, STARTING, RUNNING, UNKNOWN -> true;\n"
                  + "          case STOPPING, ERROR -> false;",
              "          case STOPPED, STARTING, RUNNING -> true;\n"
                  + "          case STOPPING, ERROR, UNKNOWN -> false;",
              "MigrationPlannerTest"),
          new Mutation(
              "I9: a volume that its engine has taken is given up for what is thought of replicas",
              "lifecycle/RobustnessPlanner.java",
              "    if (!ReplicaRule.mayBeServed(draft, volume) && !hasSource(draft, volume)) {",
              "    if (!hasSource(draft, volume)) {",
              "RobustnessPlannerTest"),
          new Mutation(
              "I9: an engine that cannot be seen has crashed",
              "lifecycle/RobustnessPlanner.java",
              "      case UNKNOWN -> Robustness.UNKNOWN;",
              "      case UNKNOWN -> Robustness.FAULTED;",
              "RobustnessPlannerTest VolumeLifeTest"),
          new Mutation(
              "#12311: what stands by has the past of the other one",
              "volume/MigrationReplicas.java",
              "            Replica.Health.NEW),\n        new Replica.Status(true, false, InstanceView.NONE));",
              "            spec.health()),\n        new Replica.Status(true, false, InstanceView.NONE));",
              "MigrationIssuesTest"),
          new Mutation(
              "#11397, #7128: what stands by piles up",
              "volume/MigrationReplicas.java",
              "      if (!clones.containsKey(id)) {\n        draft.put(",
              "      if (!clones.containsKey(id) || !isOfUse(clones.get(id).getFirst(), sources)) {\n"
                  + "        draft.put(",
              "MigrationIssuesTest"),
          new Mutation(
              "#5992: nothing is known is taken for nothing is there",
              "volume/MigrationReplicas.java",
              """
                  if (said(draft, volume).isEmpty()) {
                    // The owner has not spoken yet: that nothing is known is not that nothing is there (#5992).
                    return;
                  }
                  SortedMap<ReplicaId, Replica> sources = sources(draft, volume);
              """,
              "    SortedMap<ReplicaId, Replica> sources =\n"
                  + "        said(draft, volume).isEmpty() ? new TreeMap<>() : sources(draft, volume);\n",
              "MigrationIssuesTest"),
          new Mutation(
              "#8735: nobody takes a volume back whose owner is over",
              "volume/MigrationPlanner.java",
              "      MigrationEnd.takeOver(draft, volume, active.get());\n",
              "",
              "MigrationIssuesTest MigrationPlannerTest"),
          new Mutation(
              "#11479: attached before a migration has come to its end",
              "volume/AttachmentPlanner.java",
              "    if (!volume.isFullyDetached() ||",
              "    if (volume.status().state() != State.DETACHED ||",
              "AttachmentTicketsTest MigrationIssuesTest"),
          new Mutation(
              "#11479: no engine matches, and it is not ended",
              "volume/MigrationEnd.java",
              "return there.isEmpty() ? only(engines) : only(there);",
              "return only(there);",
              "MigrationEndTest"),
          new Mutation(
              "#7833: a migration begins while the engine is upgraded",
              "volume/MigrationPlanner.java",
              "    if (volume.isUpgrading()) {",
              "    if (volume.isDeleted()) {",
              "MigrationIssuesTest MigrationDecisionTest"),
          new Mutation(
              "#7833: an upgrade is taken while it migrates",
              "volume/UpgradeRule.java",
              "    if (volume.isMigrating() || draft.enginesOf(volume.name()).size() > 1) {",
              "    if (volume.isMigrating() && volume.isDeleted()) {",
              "UpgradeRuleTest"),
          new Mutation(
              "#12049: after a failure one of two nodes is chosen (B3)",
              "volume/AttachmentPlanner.java",
              "    if (volume.isMigratable() && isAmbiguous(tickets)) {",
              "    if (volume.isDeleted() && isAmbiguous(tickets)) {",
              "MigrationIssuesTest AttachmentTicketsTest"),
          new Mutation(
              "#6479: an instance manager of which nothing is known is deleted",
              "cluster/InstanceManagerPlanner.java",
              "      case UNKNOWN -> false;",
              "      case UNKNOWN -> true;",
              "InstanceManagerPlannerTest"),
          new Mutation(
              "#6552: an engine is started that may run elsewhere",
              "cluster/InstancePlanner.java",
              "        && !runsElsewhere(draft, volume, manager, engine.name())) {",
              "        ) {",
              "InstancePlannerTest"),
          new Mutation(
              "#6552: what runs for a volume and is nobody's goes on",
              "cluster/InstancePlanner.java",
              "    stopStrays(draft, found.get());\n",
              "",
              "InstancePlannerTest VolumeLifeTest"),
          new Mutation(
              "#9216: another process of the same name is believed",
              "cluster/InstancePlanner.java",
              "            .filter(seen -> seen.pid() == view.pid());",
              "            .filter(seen -> seen.pid() >= 0);",
              "InstancePlannerTest"),
          new Mutation(
              "#5684, #5618: one that stands by and died is waited for",
              "volume/UpgradePlanner.java",
              "        RemovalRule.remove(draft, volume, standby);",
              "        draft.reason(standby, \"x\", \"x\", \"x\");",
              "UpgradePlannerTest UpgradeLifeTest"),
          new Mutation(
              "#7012: a replica that is gone takes the one that stands by with it",
              "volume/UpgradePlanner.java",
              "          && ReplicaRule.isMember(draft, volume, standby)) {",
              "          && volume.isDeleted()) {",
              "UpgradePlannerTest UpgradeLifeTest"),
          new Mutation(
              "#12439, #1597: a replica for which nobody stands by is dropped at the switch",
              "volume/UpgradePlanner.java",
              "      own.forEach(one -> draft.put(one.with(one.spec().withImage(image))));",
              "      own.forEach(this::giveUp);",
              "UpgradePlannerTest UpgradeLifeTest"));
}
