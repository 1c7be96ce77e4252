package io.longhorn.orchestration.decision.cluster;

import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import java.util.List;

/**
 * The engine images (section 5.1): how many volumes, engines and replicas use each, where each is
 * missing, and which has not been used for so long that it goes. Where one is, whoever deploys it
 * writes.
 */
public final class EngineImagePlanner {
  /** One that nobody uses is kept for so long. */
  static final long UNUSED_MILLIS = 3_600_000;

  private EngineImagePlanner() {}

  /** What is known of each image, and which goes. */
  public static void plan(Draft draft) {
    for (EngineImage image : draft.all(ObjectKind.ENGINE_IMAGE, EngineImage.class)) {
      // Rule 5.1/1: a volume, its engine and three replicas are five.
      EngineImage now =
          image.withReferences(draft.view().references(image.name()), draft.nowMillis());
      draft.put(now);
      if (now.refCount() == 0 && !isNeeded(draft, now)) {
        expire(draft, now);
      }
      tellWhereMissing(draft, now);
    }
  }

  /** What is started next, or is there to start what is, is not unused. */
  private static boolean isNeeded(Draft draft, EngineImage image) {
    Settings settings = draft.settings();
    return image.name().equals(settings.text(Settings.Key.DEFAULT_ENGINE_IMAGE))
        || image.name().equals(settings.text(Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE))
        || draft.instanceManagers().stream()
            .anyMatch(manager -> manager.image().equals(image.name()));
  }

  private static void expire(Draft draft, EngineImage image) {
    // Rule 5.1/2: an hour after the last of them is gone.
    long until = image.noRefSinceMillis() + UNUSED_MILLIS;
    if (draft.nowMillis() < until) {
      draft.lookAgain(until);
      return;
    }
    draft.remove(image.key());
    draft.tell(
        image,
        false,
        "EngineImageRemoved",
        "engine image " + image.name() + " has not been used for 60 minutes");
  }

  private static void tellWhereMissing(Draft draft, EngineImage image) {
    List<String> missing =
        draft.nodes().stream()
            .filter(node -> node.ready().isTrue())
            .map(Node::name)
            .filter(node -> !image.deployedOn().contains(node))
            .toList();
    if (!missing.isEmpty()) {
      // Rule 5.1/3: whoever deploys it is told where; it does not count as being there.
      draft.reason(
          image,
          Names.DEPLOYED,
          "5.1/3",
          "engine image " + image.name() + " is not on " + String.join(", ", missing));
    }
  }
}
