package io.longhorn.api.cluster;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;

/** One object of the cluster. Immutable; a change is a new one, stored by compare-and-set. */
public sealed interface ClusterObject
    permits Setting,
        Node,
        InstanceManager,
        EngineImage,
        Volume,
        VolumeAttachment,
        Engine,
        Replica,
        Event,
        Membership {
  /** Its name, unique within its kind. */
  String name();

  /** What it is. */
  ObjectKind kind();

  /** Encodes it without its kind: numbered fields, 1 is the name. */
  FieldWriter write();

  /** Its key. */
  default ObjectKey key() {
    return new ObjectKey(kind(), name());
  }

  /** Decodes an object of a kind; throws {@link WireFormatException}. */
  static ClusterObject read(ObjectKind kind, FieldReader in) {
    try {
      ClusterObject object =
          switch (kind) {
            case SETTING -> Setting.read(in);
            case NODE -> Node.read(in);
            case INSTANCE_MANAGER -> InstanceManager.read(in);
            case ENGINE_IMAGE -> EngineImage.read(in);
            case VOLUME -> Volume.read(in);
            case VOLUME_ATTACHMENT -> VolumeAttachment.read(in);
            case ENGINE -> Engine.read(in);
            case REPLICA -> Replica.read(in);
            case EVENT -> Event.read(in);
            case MEMBERSHIP -> Membership.read(in);
          };
      // Its name has to be one: nothing is stored under another.
      ObjectKey.requireName(object.name());
      return object;
    } catch (IllegalArgumentException e) {
      throw new WireFormatException(kind + ": " + e.getMessage(), e);
    }
  }
}
