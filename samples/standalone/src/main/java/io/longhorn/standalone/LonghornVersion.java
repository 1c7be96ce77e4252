package io.longhorn.standalone;

import io.longhorn.standalone.report.Version;
import picocli.CommandLine.IVersionProvider;

/** What {@code longhorn --version} prints. */
final class LonghornVersion implements IVersionProvider {

  @Override
  public String[] getVersion() {
    return new String[] {Version.text()};
  }
}
