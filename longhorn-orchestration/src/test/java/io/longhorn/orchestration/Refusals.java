package io.longhorn.orchestration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.orchestration.store.ClusterStore;

/** How a refusal looks. */
final class Refusals {
  private Refusals() {}

  /** One line that says this, and nothing was changed. */
  static void require(ClusterStore store, IoError error, String says, Runnable request) {
    long before = store.revision();
    assertThatThrownBy(request::run)
        .isInstanceOfSatisfying(
            VolumeException.class,
            e -> {
              assertThat(e.error()).as(e.getMessage()).isEqualTo(error);
              assertThat(e.getMessage()).contains(says).doesNotContain("\n");
            });
    assertThat(store.revision()).as("nothing changed").isEqualTo(before);
  }
}
