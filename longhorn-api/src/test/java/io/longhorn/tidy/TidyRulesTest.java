package io.longhorn.tidy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Shows each rule a snippet it must refuse, and one it must let pass. */
final class TidyRulesTest {

  private static JavaSource source(String module, String packageName, String rest) {
    return JavaSource.of(
        module,
        module + "/src/main/java/Snippet.java",
        "package " + packageName + ";\n\n" + rest + "\n");
  }

  private static JavaSource core(String rest) {
    return source("longhorn-engine", "io.longhorn.engine.membership", rest);
  }

  private static JavaSource moduleInfo(String module, String text) {
    return JavaSource.of(module, module + "/src/main/java/module-info.java", text);
  }

  @Test
  void commentsAndLiteralsAreNotCode() {
    var source =
        core(
            """
            /* System.nanoTime() */ class A { // Thread
              String a = "Thread \\" Thread"; char c = '"'; Object o;
              String b = \"""
                  Thread \\\""" Thread
                  \"""; Instant end;
            }
            """);
    assertThat(source.code())
        .doesNotContain("Thread", "nanoTime")
        .contains("Object o", "Instant end");
    assertThat(source.code()).hasSameSizeAs(source.raw());
    assertThat(source.code().lines().count()).isEqualTo(source.raw().lines().count());
  }

  @ParameterizedTest
  @CsvSource({
    "longhorn-api, api, io.longhorn.engine.VolumePort",
    "longhorn-replica, replica, io.longhorn.engine.VolumePort",
    "longhorn-engine, engine, io.longhorn.replica.store.ReplicaStore",
    "longhorn-engine, engine, io.longhorn.orchestration.ControlPlane",
    "longhorn-orchestration, orchestration, io.longhorn.engine.VolumePort",
    "longhorn-orchestration, orchestration, io.longhorn.k8s.Main",
    "longhorn-api, api, io.netty.buffer.ByteBuf",
    "longhorn-engine, engine, net.openhft.chronicle.bytes.Bytes",
    "longhorn-engine, engine, org.jctools.queues.MpscArrayQueue",
    "longhorn-engine, engine, sun.misc.Unsafe",
    "longhorn-engine, engine, com.google.common.base.Strings",
  })
  void anImportAgainstTheDirectionIsSeen(String module, String name, String imported) {
    var packageName = "io.longhorn." + name;
    assertThat(
            TidyRules.dependencyDirection(
                source(module, packageName, "import " + imported + ";\nclass A {}")))
        .isNotEmpty();
  }

  @Test
  void aWrittenOutNameAgainstTheDirectionIsSeen() {
    assertThat(
            TidyRules.dependencyDirection(
                source(
                    "longhorn-engine",
                    "io.longhorn.engine",
                    "class A { Object a = new io.longhorn.replica.store.Store(); }")))
        .hasSize(1);
  }

  @Test
  void aRequiresAgainstTheDirectionIsSeenAndAnExportToIsNot() {
    assertThat(
            TidyRules.dependencyDirection(
                moduleInfo(
                    "longhorn-engine",
                    """
                    module io.longhorn.engine {
                      requires io.longhorn.replica;
                    }
                    """)))
        .hasSize(1);
    assertThat(
            TidyRules.dependencyDirection(
                moduleInfo(
                    "longhorn-api",
                    """
                    module io.longhorn.api {
                      exports io.longhorn.api.wire to
                          io.longhorn.engine;
                    }
                    """)))
        .isEmpty();
  }

  @Test
  void anUnknownModuleOrForeignPackageIsSeen() {
    assertThat(TidyRules.dependencyDirection(source("longhorn-extra", "io.longhorn.extra", "")))
        .isNotEmpty();
    assertThat(TidyRules.dependencyDirection(source("longhorn-api", "io.longhorn.engine", "")))
        .isNotEmpty();
  }

  @Test
  void whatAModuleMayUsePasses() {
    assertThat(
            TidyRules.dependencyDirection(
                source(
                    "longhorn-engine",
                    "io.longhorn.engine.transport",
                    """
                    import io.longhorn.api.wire.FrameHeader;
                    import io.netty.buffer.ByteBuf;
                    import static java.util.Objects.requireNonNull;
                    class A {}
                    """)))
        .isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "io.longhorn.engine.transport.LinkServer",
        "io.longhorn.engine.replication.ReplicationCore",
        "java.io.IOException",
        "java.nio.channels.FileChannel",
        "java.nio.file.Path",
        "java.net.Socket",
        "java.time.Instant",
        "java.util.concurrent.CompletableFuture",
        "java.util.concurrent.locks.ReentrantLock",
        "java.util.logging.Level",
        "java.util.Timer",
        "org.slf4j.LoggerFactory",
        "io.netty.buffer.ByteBuf",
      })
  void aCoreThatReachesOutIsSeen(String imported) {
    assertThat(TidyRules.coreImports(core("import " + imported + ";\nclass A {}"))).hasSize(1);
  }

  @Test
  void aCoreThatWritesAShellNameOutIsSeen() {
    assertThat(TidyRules.coreImports(core("class A { io.longhorn.engine.transport.Link link; }")))
        .hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "io.longhorn.engine.membership.Rules",
        "io.longhorn.api.membership.MembershipRecord",
        "java.util.List",
        "java.util.function.LongConsumer",
        "java.lang.foreign.MemorySegment",
        "java.nio.ByteBuffer",
        "java.time.Duration",
        "org.jspecify.annotations.Nullable",
      })
  void aCoreMayImportWhatIsPure(String imported) {
    assertThat(TidyRules.coreImports(core("import " + imported + ";\nclass A {}"))).isEmpty();
  }

  @Test
  void aShellMayImportAnything() {
    assertThat(
            TidyRules.coreImports(
                source(
                    "longhorn-engine",
                    "io.longhorn.engine.transport",
                    "import java.net.Socket;\nclass A {}")))
        .isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "System.nanoTime()",
        "System.currentTimeMillis()",
        "System.getenv()",
        "System . out . println(1)",
        "System.identityHashCode(this)",
        "Instant.now()",
        "Thread.currentThread()",
        "Runtime.getRuntime()",
        "ProcessHandle.current()",
        "UUID.randomUUID()",
        "new Random()",
        "new Random(42)",
        "ThreadLocalRandom.current()",
        "Math.random()",
        "list.parallelStream()",
        "list.stream().parallel()",
        "Set.of(1, 2)",
        "Map.copyOf(map)",
        "new HashMap<String, String>()",
        "new HashSet<String>()",
        "stream.collect(Collectors.toSet())",
        "LoggerFactory.getLogger(A.class)",
      })
  void aCoreThatIsNotDeterministicIsSeen(String expression) {
    assertThat(TidyRules.coreDeterminism(core("class A { Object a = " + expression + "; }")))
        .isNotEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "new TreeMap<String, String>()",
        "new LinkedHashMap<String, String>()",
        "List.of(1, 2)",
        "new EnumMap<Mode, String>(Mode.class)",
        "filesystem.size()",
        "new RandomizedName()",
        "\"Thread\"",
        "System.arraycopy(a, 0, b, 0, 1)",
      })
  void aDeterministicCorePasses(String expression) {
    assertThat(TidyRules.coreDeterminism(core("class A { Object a = " + expression + "; }")))
        .isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"io.longhorn.orchestration.decision", "io.longhorn.orchestration.decision.plan"})
  void everyDecisionPackageIsACore(String packageName) {
    assertThat(
            TidyRules.coreDeterminism(
                source("longhorn-orchestration", packageName, "class A { Thread a; }")))
        .hasSize(1);
  }

  @Test
  void aRowAboutACoreThatIsNotThereIsSeen() {
    var sources = new ArrayList<JavaSource>();
    for (var core : TidyRules.CORES) {
      sources.add(source("longhorn-engine", core.name(), "class A {}"));
    }
    assertThat(TidyRules.coresExist(sources)).isEmpty();
    var gone = sources.removeLast();
    assertThat(TidyRules.coresExist(sources)).hasSize(1);
    sources.add(packageInfo(gone.packageName(), "/** Pure. */"));
    assertThat(TidyRules.coresExist(sources)).hasSize(1);
  }

  @Test
  void aPackageThatIsPureAndHasNoRowIsSeenAndSoIsTheOpposite() {
    var core = "io.longhorn.engine.membership";
    var shell = "io.longhorn.engine.transport";
    assertThat(TidyRules.coresSayThatTheyArePure(packageInfo(core, "/** Pure: no I/O. */")))
        .isEmpty();
    assertThat(TidyRules.coresSayThatTheyArePure(packageInfo(shell, "/** Sockets. */"))).isEmpty();
    assertThat(TidyRules.coresSayThatTheyArePure(packageInfo(core, "/** Who decides. */")))
        .hasSize(1);
    assertThat(TidyRules.coresSayThatTheyArePure(packageInfo(shell, "/** A pure core. */")))
        .hasSize(1);
  }

  private static JavaSource packageInfo(String packageName, String comment) {
    return JavaSource.of(
        "longhorn-engine",
        "longhorn-engine/src/main/java/package-info.java",
        comment + "\n@NullMarked\npackage " + packageName + ";\n");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "class AbstractStore {}",
        "interface IStore {}",
        "class StoreImpl {}",
        "class StoreUtil {}",
        "class StoreUtils {}",
        "class StoreHelper {}",
        "class StoreManager {}",
        "record EpochStamp() {}",
        "class A { enum NexusMode {} }",
        "class VolumeController {}",
        "class ReadLease {}",
      })
  void aNameThatSaysNothingIsSeen(String text) {
    assertThat(TidyRules.names(core(text))).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "class InstanceManager {}",
        "enum IoError {}",
        "class IntentBitmap {}",
        "record Released() {}",
        "class ReadWindow {}",
        "class Terminal {}",
      })
  void aNameThatSaysSomethingPasses(String text) {
    assertThat(TidyRules.names(core(text))).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"util", "impl", "common", "helper", "manager"})
  void aPackageNamedAfterNothingIsSeen(String word) {
    assertThat(
            TidyRules.names(source("longhorn-engine", "io.longhorn.engine." + word, "class A {}")))
        .hasSize(1);
  }

  @Test
  void theSixteenthClassOfAPackageIsSeen() {
    var sources = new ArrayList<JavaSource>();
    for (int i = 0; i < TidyRules.MAX_CLASSES_PER_PACKAGE; i++) {
      sources.add(core("class A" + i + " {}"));
    }
    assertThat(TidyRules.packageSize(sources)).isEmpty();
    sources.add(core("class OneMore {}"));
    assertThat(TidyRules.packageSize(sources)).hasSize(1);
  }

  @Test
  void aPackageWithoutItsInfoIsSeen() {
    var type = core("class A {}");
    var bare =
        JavaSource.of(
            "longhorn-engine",
            "longhorn-engine/src/main/java/package-info.java",
            "package io.longhorn.engine.membership;\n");
    var good =
        JavaSource.of(
            "longhorn-engine",
            "longhorn-engine/src/main/java/package-info.java",
            """
            /** Who may answer. */
            @NullMarked
            package io.longhorn.engine.membership;
            """);
    assertThat(TidyRules.packageInfo(List.of(type))).hasSize(1);
    assertThat(TidyRules.packageInfo(List.of(type, bare))).hasSize(1);
    assertThat(TidyRules.packageInfo(List.of(type, good))).isEmpty();
  }

  @Test
  void anExportedPackageThatShowsALibraryOrIsSilentIsSeen() {
    var info =
        moduleInfo(
            "longhorn-engine",
            """
            module io.longhorn.engine {
              exports io.longhorn.engine;
            }
            """);
    var silent = source("longhorn-engine", "io.longhorn.engine", "public final class A {}");
    var described =
        source(
            "longhorn-engine",
            "io.longhorn.engine",
            """
            import java.util.List;

            /** A thing. */
            @Deprecated
            public final class A {}
            """);
    var leaking =
        source(
            "longhorn-engine",
            "io.longhorn.engine",
            """
            import io.netty.buffer.ByteBuf;

            /// A thing.
            public record A(ByteBuf bytes) {}
            """);
    assertThat(TidyRules.exportedPackages(List.of(info, silent))).hasSize(1);
    assertThat(TidyRules.exportedPackages(List.of(info, described))).isEmpty();
    assertThat(TidyRules.exportedPackages(List.of(info, leaking))).hasSize(1);
    assertThat(TidyRules.exportedPackages(List.of(silent, leaking))).isEmpty();
  }

  @Test
  void aSecondPackageThatKnowsChronicleIsSeen() {
    var text = "import net.openhft.chronicle.bytes.Bytes;\nclass A {}";
    var first = source("longhorn-replica", "io.longhorn.replica.record", text);
    var second = source("longhorn-replica", "io.longhorn.replica.store", text);
    assertThat(TidyRules.chronicleInOnePackage(List.of(first, first))).isEmpty();
    assertThat(TidyRules.chronicleInOnePackage(List.of(first, second))).hasSize(1);
  }

  @Test
  void aNoteForLaterAndALazyTestAreSeen() {
    assertThat(TidyRules.unfinished(core("// TO" + "DO later"))).hasSize(1);
    assertThat(TidyRules.lazyTests(core("@Disabled class A {}"))).hasSize(1);
    assertThat(TidyRules.lazyTests(core("class A { void a() { Thread.sleep(1); } }"))).hasSize(1);
    assertThat(TidyRules.lazyTests(core("class A { String a = \"Thread.sleep\"; }"))).isEmpty();
  }

  @Test
  void aDocumentThatNamesWhatIsNotThereIsSeen() {
    var files = List.of("README.md", "docs/wire.md");
    var types = List.of("ReplicaInfo");
    assertThat(
            TidyRules.deadReferences(
                "docs/a.md",
                """
                [here](wire.md) [up](../README.md#top) [away](https://example.org/x)
                `ReplicaInfo` `ReplicaInfo.credits` `MemorySegment` `READ` `fio` OldName
                ```
                OldName [x](gone.md)
                ```
                """,
                files::contains,
                types))
        .isEmpty();
    for (var dead : List.of("[x](README.md)", "[x](gone.md#top)", "`OldName`", "`a.OldName.b()`")) {
      assertThat(TidyRules.deadReferences("docs/a.md", dead, files::contains, types))
          .as(dead)
          .hasSize(1);
    }
  }

  @Test
  void aTraceOfTheMachineIsSeen() {
    for (var trace :
        List.of(
            "cd /wo" + "rk/main",
            "=/ro" + "ot/x",
            "\"/tm" + "p/w/x\"",
            "/ho" + "me/someone/x",
            "/usr/lib/jv" + "m/temurin",
            "http://deb.deb" + "ian.org/debian",
            "https://repo.mav" + "en.apache.org/maven2",
            "https://repo1.mav" + "en.org/maven2")) {
      assertThat(TidyRules.machineTraces("file", trace)).as(trace).hasSize(1);
    }
    for (var fine :
        List.of("a/work/flow", "/usr/lib/jvm/*", "$HOME/root/x", "/tmp/longhorn", "framework/x")) {
      assertThat(TidyRules.machineTraces("file", fine)).as(fine).isEmpty();
    }
  }
}
