package io.longhorn.engine.client;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** What the model believes when answers arrive late. */
class SectorModelTest {
  private final SectorModel model = new SectorModel(1);

  private SectorModel.Change begin() {
    return model.begin(0, 1, false, false);
  }

  private String read(int version) {
    return model.saw(model.beginRead(0, 1), 0, version);
  }

  @Test
  void aReadThatWasSentBeforeAWriteWasAnsweredDoesNotHideItWhenItArrivesLate() {
    SectorModel.Change first = begin();
    SectorModel.Sight slow = model.beginRead(0, 1);
    model.end(first, true, true);
    SectorModel.Change second = begin();
    assertThat(model.saw(slow, 0, SectorContent.ZEROS)).isNull();
    assertThat(read(first.version)).as("the second write is not done yet").isNull();
    assertThat(read(second.version)).isNull();
    assertThat(read(first.version)).as("the second was seen").contains("version " + second.version);
  }

  @Test
  void aReadThatWasSentAfterAWriteWasAnsweredHidesWhatWasBefore() {
    SectorModel.Change first = begin();
    model.end(first, true, true);
    SectorModel.Change second = begin();
    assertThat(read(second.version)).isNull();
    assertThat(read(first.version)).contains("version " + second.version);
  }
}
