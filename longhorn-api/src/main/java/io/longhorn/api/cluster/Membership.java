package io.longhorn.api.cluster;

import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.VolumeRecordCodec;

/**
 * The record of a volume whose authority is the store: who is in sync, which engine may write. An
 * object of its own, with the volume's name, because engines change it, and nobody else.
 */
public record Membership(String name, VolumeRecord record) implements ClusterObject {
  @Override
  public ObjectKind kind() {
    return ObjectKind.MEMBERSHIP;
  }

  @Override
  public FieldWriter write() {
    return new FieldWriter().text(1, name).nested(2, VolumeRecordCodec.write(record));
  }

  static Membership read(FieldReader in) {
    return new Membership(in.text(1), VolumeRecordCodec.read(in.nested(2)));
  }
}
