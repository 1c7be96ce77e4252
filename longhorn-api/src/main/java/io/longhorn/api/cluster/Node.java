package io.longhorn.api.cluster;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;

/**
 * A machine, or what stands for one.
 *
 * @param isCordoned nothing new is to be placed there (operator)
 * @param isOff its power is off, as far as a cluster on one machine can play that (operator)
 * @param diskPath directory below which its replicas are
 * @param ready whether engines and replicas can be started there (observation)
 */
public record Node(String name, boolean isCordoned, boolean isOff, String diskPath, Condition ready)
    implements ClusterObject {
  @Override
  public ObjectKind kind() {
    return ObjectKind.NODE;
  }

  /** With the power on or off. */
  public Node withPower(boolean off) {
    return new Node(name, isCordoned, off, diskPath, ready);
  }

  /** With what was observed. */
  public Node withReady(Condition condition) {
    return new Node(name, isCordoned, isOff, diskPath, condition);
  }

  @Override
  public FieldWriter write() {
    return new FieldWriter()
        .text(1, name)
        .bool(2, isCordoned)
        .bool(3, isOff)
        .text(4, diskPath)
        .nested(5, ready.write());
  }

  static Node read(FieldReader in) {
    return new Node(in.text(1), in.bool(2), in.bool(3), in.text(4), Condition.read(in.nested(5)));
  }
}
