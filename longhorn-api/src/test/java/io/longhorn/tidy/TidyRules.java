package io.longhorn.tidy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The rules of the house that a compiler cannot see. Each takes sources and answers the violations,
 * one line each; no line means tidy.
 */
final class TidyRules {

  /** More classes than this in one package means there are two packages in it. */
  static final int MAX_CLASSES_PER_PACKAGE = 15;

  /**
   * What one module may name.
   *
   * @param folder of the module in the repository
   * @param root its own top package
   * @param ours top packages of our other modules it may use
   * @param libraries prefixes of third-party packages it may import
   */
  record ModuleRule(String folder, String root, List<String> ours, List<String> libraries) {}

  /**
   * A package that does no I/O, reads no clock and starts no thread.
   *
   * @param name the package
   * @param uses core packages of the same module it may use besides itself and api
   */
  record CoreRule(String name, List<String> uses) {}

  static final List<ModuleRule> MODULES =
      List.of(
          module("longhorn-api", "api", List.of(), List.of()),
          module(
              "longhorn-replica",
              "replica",
              List.of("api"),
              List.of("io.netty.", "net.openhft.", "org.jctools.queues.varhandle.")),
          module(
              "longhorn-engine",
              "engine",
              List.of("api"),
              List.of("io.netty.", "org.jctools.queues.varhandle.")),
          module(
              "longhorn-orchestration",
              "orchestration",
              List.of("api"),
              List.of("org.h2.mvstore.")),
          module(
              "longhorn-k8s-adapter",
              "k8s",
              List.of("api", "replica", "engine", "orchestration"),
              List.of("io.fabric8.", "io.grpc.", "com.google.protobuf.")),
          module(
              "benchmarks",
              "benchmarks",
              List.of("api", "replica", "engine", "orchestration"),
              List.of("io.netty.", "org.jctools.", "net.openhft.", "org.openjdk.jmh.")),
          module("samples/embedded", "samples.embedded", List.of("api", "engine"), List.of()),
          module(
              "samples/control-plane",
              "samples.controlplane",
              List.of("api", "orchestration"),
              List.of()),
          module(
              "samples/standalone",
              "standalone",
              List.of("api", "replica", "engine", "orchestration"),
              List.of("picocli.", "com.fasterxml.jackson.")));

  /** Any package named {@code decision} is a core too. */
  static final List<CoreRule> CORES =
      List.of(
          new CoreRule("io.longhorn.api.cluster", List.of()),
          new CoreRule("io.longhorn.api.membership", List.of()),
          new CoreRule("io.longhorn.api.wire", List.of()),
          new CoreRule("io.longhorn.engine.request", List.of()),
          new CoreRule("io.longhorn.engine.membership", List.of()),
          new CoreRule("io.longhorn.engine.claim", List.of("io.longhorn.engine.membership")),
          new CoreRule("io.longhorn.engine.reconcile", List.of("io.longhorn.engine.request")),
          new CoreRule(
              "io.longhorn.engine.replication",
              List.of(
                  "io.longhorn.engine.request",
                  "io.longhorn.engine.membership",
                  "io.longhorn.engine.reconcile")),
          new CoreRule(
              "io.longhorn.engine.frontend.nbd.protocol", List.of("io.longhorn.engine.request")),
          new CoreRule("io.longhorn.orchestration.instance", List.of()),
          new CoreRule("io.longhorn.orchestration.decision", List.of()),
          new CoreRule(
              "io.longhorn.orchestration.decision.replica",
              List.of("io.longhorn.orchestration.decision")),
          new CoreRule(
              "io.longhorn.orchestration.decision.cluster",
              List.of("io.longhorn.orchestration.decision")),
          new CoreRule(
              "io.longhorn.orchestration.decision.volume",
              List.of("io.longhorn.orchestration.decision")),
          new CoreRule(
              "io.longhorn.orchestration.decision.control",
              List.of("io.longhorn.orchestration.decision")));

  private static final List<String> EVERYWHERE =
      List.of("java.", "javax.", "jdk.", "org.jspecify.", "org.slf4j.");

  private static final Pattern CORE_IMPORTS =
      Pattern.compile(
          "org\\.jspecify\\..*|java\\.io\\.ByteArray(In|Out)putStream"
              + "|java\\.lang\\.(foreign|invoke|annotation)\\..*|java\\.lang\\.[A-Z]\\w*(\\..*)?"
              + "|java\\.math\\..*|java\\.nio\\.(Byte|Long|Int)\\w+(\\..*)?|java\\.nio\\.charset\\..*"
              + "|java\\.time\\.Duration"
              + "|java\\.util\\.(?!Timer|Scanner)[A-Z]\\w*(\\..*)?|java\\.util\\.(function|stream|random|zip)\\..*"
              + "|java\\.util\\.concurrent\\.TimeUnit(\\..*)?");

  private static final Pattern NONDETERMINISM =
      Pattern.compile(
          "\\bSystem\\s*\\.\\s*(?!arraycopy\\b)\\w+"
              + "|\\b(Instant|LocalDate|LocalTime|LocalDateTime|ZonedDateTime|OffsetDateTime)\\s*\\.\\s*now\\b"
              + "|\\bClock\\s*\\.\\s*system\\w*"
              + "|\\bThread\\b|\\bThreadLocal\\b|\\b(Runtime|ProcessBuilder|ProcessHandle)\\b"
              + "|\\bUUID\\s*\\.\\s*randomUUID\\b"
              + "|\\bnew\\s+(Secure)?Random\\b|\\bThreadLocalRandom\\b|\\bMath\\s*\\.\\s*random\\b"
              + "|\\bRandomGenerator\\s*\\.\\s*getDefault\\b"
              + "|\\bparallelStream\\b|\\.\\s*parallel\\s*\\("
              + "|\\bidentityHashCode\\b|\\bIdentityHashMap\\b|\\bWeakHashMap\\b"
              + "|\\b(Set|Map)\\s*\\.\\s*(of|ofEntries|copyOf)\\b"
              + "|\\b(HashMap|HashSet|ConcurrentHashMap|Hashtable)\\b"
              + "|\\bto(Unmodifiable)?Set\\b|\\btoUnmodifiableMap\\b"
              + "|\\bgroupingBy\\b|\\btoMap\\b"
              + "|\\b(Logger|LoggerFactory)\\b"
              + "|\\bsynchronized\\b");

  private static final Pattern PURE = Pattern.compile("\\b[Pp]ure\\b");

  private static final Pattern BAD_PACKAGE_WORD =
      Pattern.compile("impl|utils?|common|managers?|helpers?|misc|internal");

  /** {@code InstanceManager} is a term of the field; IO… is no interface prefix. */
  private static final Pattern BAD_TYPE_NAME =
      Pattern.compile(
          "Abstract[A-Z].*|I[A-Z][a-z].*|.*Impl|.*Utils?|.*Helpers?|(?!.*InstanceManager$).*Manager");

  private static final Pattern RETIRED_WORD =
      Pattern.compile(".*(Epoch|Term|Lease|Nexus|Controller)(?![a-z]).*");

  private static final Pattern EXPORT = Pattern.compile("\\bexports\\s+([\\w.]+)");
  private static final Pattern OURS = Pattern.compile("\\bio\\.longhorn\\.[\\w.]+");
  private static final Pattern PUBLIC_TOP_LEVEL =
      Pattern.compile(
          "(?m)^public\\s+(?:[\\w-]+\\s+)*(?:class|interface|enum|record|@interface)\\s+(\\w+)");
  private static final Pattern DOC_COMMENT = Pattern.compile("(?m)^\\s*(/\\*\\*|///)");
  private static final Pattern HIDDEN_LIBRARY =
      Pattern.compile("io\\.netty\\..*|org\\.jctools\\..*|net\\.openhft\\..*");

  private static final Pattern UNFINISHED =
      Pattern.compile("\\b(TO" + "DO|FIX" + "ME|XX" + "X)\\b");
  private static final Pattern LAZY_TEST =
      Pattern.compile("@Disabled\\b|\\bThread\\s*\\.\\s*sleep\\b");

  private static final Pattern FENCED = Pattern.compile("(?ms)^```.*?^```");
  private static final Pattern LINK = Pattern.compile("\\]\\(([^)#\\s]+)(?:#[^)]*)?\\)");
  private static final Pattern QUOTED = Pattern.compile("`[^`\n]+`");

  /** At least two humps; those of longer dotted names too. */
  private static final Pattern TYPE_NAME =
      Pattern.compile("\\b[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+\\b");

  /** Types that are not ours and that documents speak of. */
  private static final List<String> JDK_TYPES =
      List.of(
          "ByteBuffer",
          "FileChannel",
          "MemorySegment",
          "NullMarked",
          "SeekableByteChannel",
          "ServiceLoader");

  private static final Pattern MACHINE =
      Pattern.compile(
          "(?<![A-Za-z0-9_.$}\\])*])(/(?:work|farm|root)/|/tmp/(?:w|work|peers|bash_jobs)/"
              + "|/home/[a-z]\\w*/|/Users/[a-z]\\w*/|/usr/lib/jvm/[a-z])"
              + "|deb[.]debian[.]org|repo1?[.]maven[.](?:apache[.])?org|registry[.]npmjs");

  private TidyRules() {}

  private static ModuleRule module(
      String folder, String root, List<String> ours, List<String> libraries) {
    return new ModuleRule(
        folder,
        "io.longhorn." + root,
        ours.stream().map(name -> "io.longhorn." + name).toList(),
        libraries);
  }

  /** Every name of ours, imported or written out, belongs to a module this one may use. */
  static List<String> dependencyDirection(JavaSource source) {
    var rule =
        MODULES.stream().filter(module -> module.folder().equals(source.module())).findFirst();
    if (rule.isEmpty()) {
      return List.of(source.path() + ": module " + source.module() + " has no row in the table");
    }
    var violations = new ArrayList<String>();
    if (!source.fileName().equals("module-info.java")
        && !isIn(source.packageName(), rule.get().root())) {
      violations.add(source.path() + ": package is not below " + rule.get().root());
    }
    var code = source.fileName().equals("module-info.java") ? requiresOnly(source) : source.code();
    OURS.matcher(code)
        .results()
        .map(match -> match.group())
        .filter(name ->
            !isIn(name, rule.get().root())
                && rule.get().ours().stream().noneMatch(root -> isIn(name, root)))
        .map(name -> source.path() + ": " + source.module() + " may not use " + name)
        .forEach(violations::add);
    source.imports().stream()
        .filter(name -> !name.startsWith("io.longhorn."))
        .filter(name ->
            Stream.concat(EVERYWHERE.stream(), rule.get().libraries().stream())
                .noneMatch(name::startsWith))
        .map(name -> source.path() + ": " + source.module() + " may not import " + name)
        .forEach(violations::add);
    return violations;
  }

  private static String requiresOnly(JavaSource source) {
    return String.join(
        "\n",
        source
            .code()
            .lines()
            .map(String::strip)
            .filter(line -> line.startsWith("requires"))
            .toList());
  }

  /** A core imports itself, api, and the part of java.base that can neither wait nor ask. */
  static List<String> coreImports(JavaSource source) {
    if (!isCore(source.packageName()) || source.isDeclarationOnly()) {
      return List.of();
    }
    var mayUse =
        CORES.stream()
            .filter(core -> isIn(source.packageName(), core.name()))
            .flatMap(core -> Stream.concat(Stream.of(core.name()), core.uses().stream()))
            .toList();
    return Stream.concat(
            source.imports().stream().filter(name -> !name.startsWith("io.longhorn.")),
            OURS.matcher(source.code()).results().map(match -> match.group()))
        .filter(name ->
            !CORE_IMPORTS.matcher(name).matches()
                && !isIn(name, "io.longhorn.api")
                && !isIn(name, source.packageName())
                && mayUse.stream().noneMatch(core -> isIn(name, core)))
        .map(name -> source.path() + ": a core may not use " + name)
        .toList();
  }

  /** A core does the same thing for the same input, in every run. */
  static List<String> coreDeterminism(JavaSource source) {
    if (!isCore(source.packageName())) {
      return List.of();
    }
    return NONDETERMINISM
        .matcher(source.code())
        .results()
        .map(match -> source.path() + ": a core may not use " + match.group())
        .toList();
  }

  /** Every row of {@link #CORES} is about a package that is there. */
  static List<String> coresExist(Collection<JavaSource> sources) {
    var packages =
        sources.stream()
            .filter(source -> !source.isDeclarationOnly())
            .map(JavaSource::packageName)
            .toList();
    return CORES.stream()
        .flatMap(core -> Stream.concat(Stream.of(core.name()), core.uses().stream()))
        .distinct()
        .filter(name -> packages.stream().noneMatch(name::equals))
        .map(name -> "core package " + name + " has a row in the table and no class")
        .toList();
  }

  /**
   * A package that calls itself pure has a row in {@link #CORES}, and one that has a row says so.
   */
  static List<String> coresSayThatTheyArePure(JavaSource source) {
    if (!source.fileName().equals("package-info.java")) {
      return List.of();
    }
    boolean saysSo = PURE.matcher(source.raw()).find();
    if (saysSo == isCore(source.packageName())) {
      return List.of();
    }
    return List.of(
        source.path()
            + (saysSo
                ? ": says that it is pure, and has no row among the cores"
                : ": a core does not say that it is pure"));
  }

  static List<String> names(JavaSource source) {
    var violations = new ArrayList<String>();
    for (var word : source.packageName().split("\\.")) {
      if (BAD_PACKAGE_WORD.matcher(word).matches()) {
        violations.add(source.path() + ": package word " + word);
      }
    }
    for (var type : source.types()) {
      if (BAD_TYPE_NAME.matcher(type).matches()) {
        violations.add(source.path() + ": type name " + type + " says nothing");
      }
      if (!source.module().equals("longhorn-k8s-adapter") && RETIRED_WORD.matcher(type).matches()) {
        violations.add(source.path() + ": type name " + type + " uses a word we do not use");
      }
    }
    return violations;
  }

  static List<String> packageSize(Collection<JavaSource> sources) {
    Map<String, Integer> classes = new TreeMap<>();
    sources.stream()
        .filter(source -> !source.isDeclarationOnly())
        .forEach(source -> classes.merge(source.packageName(), 1, Integer::sum));
    return classes.entrySet().stream()
        .filter(entry -> entry.getValue() > MAX_CLASSES_PER_PACKAGE)
        .map(entry -> "package " + entry.getKey() + " has " + entry.getValue() + " classes")
        .toList();
  }

  /** Every package says what it is and that its types are non-null unless marked. */
  static List<String> packageInfo(Collection<JavaSource> sources) {
    var described =
        sources.stream()
            .filter(source -> source.fileName().equals("package-info.java"))
            .filter(source -> source.code().contains("@NullMarked"))
            .filter(source -> DOC_COMMENT.matcher(source.raw()).find())
            .map(JavaSource::packageName)
            .toList();
    return sources.stream()
        .filter(source -> !source.isDeclarationOnly())
        .map(JavaSource::packageName)
        .distinct()
        .sorted()
        .filter(name -> !described.contains(name))
        .map(name -> "package " + name + " has no package-info with a comment and @NullMarked")
        .toList();
  }

  /** What a user sees is documented and free of the libraries behind it. */
  static List<String> exportedPackages(Collection<JavaSource> sources) {
    var exported =
        sources.stream()
            .filter(source -> source.fileName().equals("module-info.java"))
            .flatMap(source -> EXPORT.matcher(source.code()).results())
            .map(match -> match.group(1))
            .toList();
    var violations = new ArrayList<String>();
    for (var source : sources) {
      if (source.isDeclarationOnly() || !exported.contains(source.packageName())) {
        continue;
      }
      source.imports().stream()
          .filter(name -> HIDDEN_LIBRARY.matcher(name).matches())
          .map(name -> source.path() + ": exported package imports " + name)
          .forEach(violations::add);
      var declaration = PUBLIC_TOP_LEVEL.matcher(source.code());
      if (declaration.find()) {
        int from = source.code().indexOf(source.body());
        if (!DOC_COMMENT.matcher(source.raw().substring(from, declaration.start())).find()) {
          violations.add(source.path() + ": exported " + declaration.group(1) + " has no comment");
        }
      }
    }
    return violations;
  }

  /** Chronicle needs Unsafe, which will go: one package knows it. */
  static List<String> chronicleInOnePackage(Collection<JavaSource> sources) {
    var packages =
        sources.stream()
            .filter(source ->
                source.imports().stream().anyMatch(name -> name.startsWith("net.openhft.")))
            .map(JavaSource::packageName)
            .distinct()
            .sorted()
            .toList();
    return packages.size() <= 1
        ? List.of()
        : List.of("chronicle is imported by more than one package: " + packages);
  }

  static List<String> unfinished(JavaSource source) {
    return UNFINISHED
        .matcher(source.raw())
        .results()
        .map(match -> source.path() + ": " + match.group())
        .toList();
  }

  /** A test waits for a condition, and a test that does not run is no test. */
  static List<String> lazyTests(JavaSource testSource) {
    return LAZY_TEST
        .matcher(testSource.code())
        .results()
        .map(match -> testSource.path() + ": " + match.group())
        .toList();
  }

  /**
   * What a document names is there: the files it links to, and the types it names in backquotes.
   *
   * @param isFile whether a path inside the repository is a file or folder
   * @param types simple names of every type of ours
   */
  static List<String> deadReferences(
      String path, String text, Predicate<String> isFile, Collection<String> types) {
    var prose = FENCED.matcher(text).replaceAll("");
    int folder = path.lastIndexOf('/') + 1;
    var links =
        LINK.matcher(prose)
            .results()
            .map(match -> match.group(1))
            .filter(target -> !target.contains("://"))
            .filter(target ->
                !isFile.test(Path.of(path.substring(0, folder) + target).normalize().toString()))
            .map(target -> path + ": links to " + target + ", which is not there");
    var names =
        QUOTED
            .matcher(prose)
            .results()
            .flatMap(match -> TYPE_NAME.matcher(match.group()).results())
            .map(MatchResult::group)
            .filter(name -> !types.contains(name) && !JDK_TYPES.contains(name))
            .distinct()
            .map(name -> path + ": names the type " + name + ", which is not there");
    return Stream.concat(links, names).toList();
  }

  /** No file knows the machine it was written on, nor the host a package came from. */
  static List<String> machineTraces(String path, String text) {
    return MACHINE
        .matcher(text)
        .results()
        .map(match -> path + ": " + match.group())
        .distinct()
        .toList();
  }

  static boolean isCore(String packageName) {
    return packageName.endsWith(".decision")
        || packageName.contains(".decision.")
        || CORES.stream().anyMatch(core -> isIn(packageName, core.name()));
  }

  private static boolean isIn(String name, String root) {
    return name.equals(root) || name.startsWith(root + ".");
  }
}
