// The host's colours: light or dark, and what the timeline draws with on each.

export interface Theme {
  dark: boolean;
  back: string;
  /** Every other row. */
  band: string;
  text: string;
  dim: string;
  grid: string;
  accent: string;
  /** What is selected; then the frame and the inside of what is evidence. */
  veil: string;
  mark: string;
  glow: string;
}

const light: Theme = {
  dark: false,
  back: "#ffffff",
  band: "#f4f6f8",
  text: "#1f2328",
  dim: "#57606a",
  grid: "#d8dee4",
  accent: "#1f63b5",
  veil: "rgba(31,99,181,0.12)",
  mark: "#b3261e",
  glow: "rgba(179,38,30,0.10)",
};

const dark: Theme = {
  dark: true,
  back: "#15181c",
  band: "#1c2025",
  text: "#e6e8eb",
  dim: "#a3abb5",
  grid: "#333a42",
  accent: "#7fb4f5",
  veil: "rgba(127,180,245,0.16)",
  mark: "#ff9d8a",
  glow: "rgba(255,157,138,0.16)",
};

/**
 * The theme of the page around `host`: what JupyterLab, VS Code or the page says of itself, else the
 * colour that the report stands on, else what the system prefers.
 */
export function themeOf(host: Element): Theme {
  return isDark(host) ? dark : light;
}

function isDark(host: Element): boolean {
  const { body, documentElement: root } = document;
  const jupyter = body.dataset["jpThemeLight"];
  if (jupyter) return jupyter === "false";
  const code = body.dataset["vscodeThemeKind"];
  if (code) return code.includes("dark") || code === "vscode-high-contrast";
  const named = root.dataset["theme"] ?? root.getAttribute("theme");
  if (named === "dark" || named === "light") return named === "dark";
  for (let e: Element | null = host; e; e = e.parentElement) {
    const rgba = getComputedStyle(e).backgroundColor.match(/[\d.]+/g)?.map(Number);
    if (rgba && (rgba[3] ?? 1) > 0.5) return 0.299 * rgba[0] + 0.587 * rgba[1] + 0.114 * rgba[2] < 128;
  }
  // The page says nothing: a browser then paints its canvas by the scheme that the page declares.
  return getComputedStyle(root).colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches;
}

/**
 * Has `shown` dress when the page may have changed its theme. A host throws outputs away without a word, or takes
 * them out for a while: so that this keeps none of them in memory, it refers to `shown` weakly.
 */
export function watchTheme(shown: { dress(): void }): void {
  const weak = new WeakRef(shown);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const changed = () => {
    const timeline = weak.deref();
    if (timeline) return timeline.dress();
    attributes.disconnect();
    system.removeEventListener("change", changed);
  };
  const attributes = new MutationObserver(changed);
  for (const e of [document.documentElement, document.body]) {
    attributes.observe(e, { attributes: true, attributeFilter: ["class", "style", "theme", "data-theme", "data-jp-theme-light", "data-jp-theme-name", "data-vscode-theme-kind", "data-vscode-theme-id"] });
  }
  system.addEventListener("change", changed);
}

/** Whether text on a colour should be white. */
export function needsWhite(color: string): boolean {
  const n = parseInt(color.slice(1), 16);
  return 0.299 * (n >> 16) + 0.587 * ((n >> 8) & 255) + 0.114 * (n & 255) < 140;
}
