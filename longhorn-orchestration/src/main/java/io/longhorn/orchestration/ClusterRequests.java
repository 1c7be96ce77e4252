package io.longhorn.orchestration;

import io.longhorn.api.IoError;
import io.longhorn.api.cluster.Condition;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.Settings;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.UnaryOperator;

/** What is asked of nodes, engine images and settings, checked and stored. Any thread. */
final class ClusterRequests {
  private static final String NAME = "[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?";

  private final Requests requests;

  ClusterRequests(Requests requests) {
    this.requests = requests;
  }

  // ---- nodes ------------------------------------------------------------------------------------

  /** A node with one disk; one that is there already stays as it is. */
  void addNode(String name, String diskPath) {
    requireName("node", name);
    requests.run(draft -> {
      if (draft.node(name).isEmpty()) {
        Condition unknown =
            new Condition(Names.READY, false, "Unknown", "not looked at yet", draft.nowMillis());
        requests.put(Node.of(name, diskPath, unknown));
      }
    });
  }

  /** A node is to be otherwise. */
  void changeNode(String name, UnaryOperator<Node> how) {
    requests.run(draft -> requests.put(how.apply(requests.node(draft, name))));
  }

  // ---- engine images ----------------------------------------------------------------------------

  /** An image that is new; one that is there already under its name is refused. */
  void addImage(EngineImage image) {
    requireName("engine image", image.name());
    requests.run(draft -> {
      if (draft.image(image.name()).isPresent()) {
        throw Requests.refused(
            IoError.EXISTS, "engine image " + image.name() + " exists already; use another name");
      }
      requests.put(image);
    });
  }

  /** The image of a name is this one from now on; who uses it is still counted. */
  void putImage(EngineImage image) {
    requests.run(draft ->
        requests.put(
            draft
                .image(image.name())
                .map(before ->
                    new EngineImage(
                        image.name(),
                        image.launcher(),
                        image.version(),
                        image.versions(),
                        image.deployedOn(),
                        before.refCount(),
                        before.noRefSinceMillis()))
                .orElse(image)));
  }

  void removeImage(String name) {
    requests.run(draft -> {
      EngineImage image = requests.image(draft, name);
      for (Settings.Key key :
          List.of(Settings.Key.DEFAULT_ENGINE_IMAGE, Settings.Key.DEFAULT_INSTANCE_MANAGER_IMAGE)) {
        if (draft.settings().text(key).equals(name)) {
          throw requests.refused(
              IoError.BUSY,
              "engine image " + name + " is the " + key.key(),
              new Remedy.SeeImages());
        }
      }
      List<String> users = usersOf(draft, name);
      if (!users.isEmpty()) {
        throw requests.refused(
            IoError.BUSY,
            "engine image " + name + " is used by " + String.join(", ", users),
            new Remedy.SeeVolumes());
      }
      requests.remove(image.key());
    });
  }

  /** Who names it: what is stored of them, not what was counted. */
  private static List<String> usersOf(Draft draft, String image) {
    TreeSet<String> users = new TreeSet<>();
    for (Volume volume : draft.all(ObjectKind.VOLUME, Volume.class)) {
      boolean isNamed =
          volume.spec().image().equals(image)
              || volume.status().currentImage().equals(image)
              || draft.enginesOf(volume.name()).stream()
                  .anyMatch(engine ->
                      engine.spec().image().equals(image)
                          || engine.status().currentImage().equals(image))
              || draft.replicasOf(volume).stream()
                  .anyMatch(replica -> replica.spec().image().equals(image));
      if (isNamed) {
        users.add("volume " + volume.name());
      }
    }
    draft.instanceManagers().stream()
        .filter(manager -> manager.image().equals(image))
        .forEach(manager -> users.add(manager.name()));
    return new ArrayList<>(users);
  }

  private static void requireName(String what, String name) {
    if (!name.matches(NAME)) {
      throw Requests.refused(
          IoError.INVALID,
          what + " name '" + name + "': use 1 to 63 of a-z 0-9 . -, not . or - at an end");
    }
  }

  // ---- settings ---------------------------------------------------------------------------------

  /** What holds, whether it was set or not. */
  String setting(String name) {
    Settings.Key key = keyOf(name);
    return requests.read(view -> view.settings().text(key));
  }

  /** Sets; an empty value: back to what holds if nothing was set. */
  void set(String name, String value) {
    Settings.Key key = keyOf(name);
    requests.run(draft -> {
      if (value.isEmpty()) {
        ObjectKey stored = Settings.setting(key, value).key();
        if (draft.view().find(stored).isPresent()) {
          requests.remove(stored);
        }
        return;
      }
      requireMayBe(draft, key, value);
      requests.put(Settings.setting(key, value));
    });
  }

  private void requireMayBe(Draft draft, Settings.Key key, String value) {
    if (!key.mayBe(value)) {
      throw Requests.refused(
          IoError.INVALID,
          "setting " + key.key() + " cannot be '" + value + "': use " + key.allowed());
    }
    boolean isImage =
        switch (key) {
          case DEFAULT_ENGINE_IMAGE, DEFAULT_INSTANCE_MANAGER_IMAGE -> true;
          default -> false;
        };
    if (isImage) {
      requests.image(draft, value);
    }
  }

  private Settings.Key keyOf(String name) {
    Optional<Settings.Key> key = Settings.Key.of(name);
    return key.orElseThrow(() ->
        requests.refused(
            IoError.NOT_FOUND, "there is no setting " + name, new Remedy.SeeSettings()));
  }
}
