package io.longhorn.orchestration.decision.volume;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.EngineImage.Versions;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Placement.DataLocality;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Settings;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;

/**
 * Which upgrades of a volume's engine may be asked for (section 5.2), and which can be done while
 * it is attached. The rows of 5.2 are numbered as there: 1 another image than the automatic one, 3
 * the same image, 4 another upgrade goes on, 5 not deployed, 6 migrating, 7 not healthy, 8
 * strict-local, 9 back to what runs; 10 is ours: what does not exist or cannot read the data. Row 2
 * is about a second data engine, of which there is none.
 */
public final class UpgradeRule {
  private UpgradeRule() {}

  /** What becomes of a request. */
  public sealed interface Answer {
    /** The volume is to be stored so, if it is still as it was seen. */
    record Accepted(Volume volume) implements Answer {}

    /** The volume is to be stored so: the upgrade that goes on is given up. */
    record RolledBack(Volume volume) implements Answer {}

    /**
     * No.
     *
     * @param rule the row's name
     * @param message one line for a person
     */
    record Refused(String rule, String message) implements Answer {}
  }

  /** The request to run a volume from an image. */
  public static Answer request(ClusterView view, String name, String image) {
    Draft draft = new Draft(view);
    Optional<Volume> found = draft.volume(name);
    if (found.isEmpty()) {
      return new Answer.Refused("5.2/10", "there is no volume " + name);
    }
    Volume volume = found.get();
    // Rule 5.2/9: back to what runs: always possible, whatever the volume is like.
    if (volume.isUpgrading() && image.equals(volume.status().currentImage())) {
      return new Answer.RolledBack(volume.with(volume.spec().withImage(image)));
    }
    return whyRefused(draft, volume, image)
        .map(no ->
            (Answer)
                new Answer.Refused(
                    no.rule,
                    "volume " + name + ": cannot upgrade the engine to " + image + ": " + no.why))
        .orElseGet(() -> new Answer.Accepted(volume.with(volume.spec().withImage(image))));
  }

  private record No(String rule, String why) {}

  private static Optional<No> whyRefused(Draft draft, Volume volume, String image) {
    String automatic = draft.settings().text(Settings.Key.DEFAULT_ENGINE_IMAGE);
    boolean isAutomatic =
        draft.settings().number(Settings.Key.CONCURRENT_AUTOMATIC_ENGINE_UPGRADE) > 0;
    Volume.Status status = volume.status();
    boolean isUp = status.state() == State.ATTACHED;
    // Rule 5.2/1: the automatic upgrade would undo it.
    if (isAutomatic && !image.equals(automatic)) {
      return no("5.2/1", "engines are upgraded to " + automatic + " automatically");
    }
    // Rule 5.2/3: it is what it is to run from already.
    if (image.equals(volume.spec().image())) {
      return no("5.2/3", volume.isUpgrading() ? "that is under way" : "it runs from it already");
    }
    // Rule 5.2/4: one transition at a time.
    if (volume.isUpgrading()) {
      return no(
          "5.2/4",
          "the upgrade to "
              + volume.spec().image()
              + " is not finished; it can be rolled back to "
              + status.currentImage());
    }
    // Rule 5.2/6, 3.3/4: the same, of a migration (#7833).
    if (volume.isMigrating() || draft.enginesOf(volume.name()).size() > 1) {
      return no("5.2/6", "it is migrating");
    }
    // Rule 5.2/10: there is such an image, and it reads what the present one has written.
    Optional<String> unusable =
        volume.isDeleted() ? Optional.of("it is being deleted") : whyUnusable(draft, volume, image);
    if (unusable.isPresent()) {
      return no("5.2/10", unusable.get());
    }
    // Rule 5.2/5: on every node that needs it, and the present one, to go back to.
    Optional<String> missing = whereMissing(draft, volume, image);
    if (missing.isPresent()) {
      return no("5.2/5", missing.get());
    }
    // Rule 5.2/7: a switch is no time to be short of replicas.
    if (isUp && status.robustness() != Robustness.HEALTHY) {
      return no("5.2/7", "it is " + status.robustness().text() + "; it has to be healthy");
    }
    // Rule 5.2/8: its data path is within one node.
    if (isUp && volume.spec().placement().dataLocality() == DataLocality.STRICT_LOCAL) {
      return no("5.2/8", "it is attached and strict-local: it has to be detached");
    }
    return Optional.empty();
  }

  private static Optional<No> no(String rule, String why) {
    return Optional.of(new No(rule, why));
  }

  /** Why an image cannot follow the present one at all, not even in a volume that is detached. */
  public static Optional<String> whyUnusable(Draft draft, Volume volume, String image) {
    Optional<EngineImage> next = draft.image(image);
    if (next.isEmpty()) {
      return Optional.of("there is no engine image " + image);
    }
    int format =
        draft
            .image(volume.status().currentImage())
            .map(now -> now.versions().dataFormat())
            .orElse(next.get().versions().dataFormatMin());
    Versions versions = next.get().versions();
    return format >= versions.dataFormatMin() && format <= versions.dataFormat()
        ? Optional.empty()
        : Optional.of(
            "it reads data of format "
                + versions.dataFormatMin()
                + " to "
                + versions.dataFormat()
                + ", the volume's may be "
                + format);
  }

  /** On which nodes an image, or the present one, is missing. */
  public static Optional<String> whereMissing(Draft draft, Volume volume, String image) {
    TreeSet<String> nodes = new TreeSet<>();
    nodes.add(volume.spec().nodeID());
    nodes.add(volume.status().currentNodeID());
    draft.activeReplicasOf(volume).stream().map(one -> one.spec().nodeID()).forEach(nodes::add);
    nodes.remove("");
    List<String> missing = new ArrayList<>();
    for (String name : List.of(image, volume.status().currentImage())) {
      SortedSet<String> there =
          draft.image(name).map(EngineImage::deployedOn).orElseGet(TreeSet::new);
      nodes.stream()
          .filter(node -> !there.contains(node))
          .forEach(node -> missing.add(name + " is not on " + node));
    }
    return missing.isEmpty() ? Optional.empty() : Optional.of(String.join(", ", missing));
  }

  /**
   * Why the engine of a volume that is attached cannot switch from the present image to another one
   * under its clients; then that is done when it is detached.
   */
  public static Optional<String> whyNotLive(Draft draft, Volume volume, String image) {
    Optional<EngineImage> before = draft.image(volume.status().currentImage());
    Optional<EngineImage> after = draft.image(image);
    if (!draft.view().can(Capability.LIVE_UPGRADE)) {
      return Optional.of("engines cannot be switched while they serve here");
    }
    if (volume.spec().placement().dataLocality() == DataLocality.STRICT_LOCAL) {
      return Optional.of("the volume is strict-local");
    }
    Optional<String> unusable = whyUnusable(draft, volume, image);
    if (unusable.isPresent()) {
      return unusable;
    }
    Optional<String> missing = whereMissing(draft, volume, image);
    if (missing.isPresent() || before.isEmpty() || after.isEmpty()) {
      return missing;
    }
    Versions old = before.get().versions();
    Versions next = after.get().versions();
    boolean mayBeSame = draft.settings().is(Settings.Key.ALLOW_LIVE_UPGRADE_ON_SAME_COMMIT);
    if (old.gitCommit().equals(next.gitCommit()) && !mayBeSame) {
      return Optional.of("both are built from commit " + old.gitCommit());
    }
    return old.controllerApi() > next.controllerApi()
            || old.controllerApi() < next.controllerApiMin()
        ? Optional.of(
            "it speaks version "
                + next.controllerApiMin()
                + " to "
                + next.controllerApi()
                + " with control, the engine that runs speaks "
                + old.controllerApi())
        : Optional.empty();
  }

  /** Where a volume counts for limits per node: where its engine is, or was last. */
  public static String nodeOf(Draft draft, Volume volume) {
    if (!volume.spec().nodeID().isEmpty()) {
      return volume.spec().nodeID();
    }
    String last = draft.engineOf(volume).map(Engine::spec).map(Engine.Spec::nodeID).orElse("");
    return last.isEmpty()
        ? draft.activeReplicasOf(volume).stream()
            .map(Replica::spec)
            .map(Replica.Spec::nodeID)
            .findFirst()
            .orElse("")
        : last;
  }
}
