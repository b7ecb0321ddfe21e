// The style of the component, inside its shadow root: nothing of the page reaches in, nothing of it reaches out.

export const style = `
:host{display:block;font:13px/1.45 system-ui,sans-serif;color:var(--text);margin:4px 0 8px}
*{box-sizing:border-box}
[hidden]{display:none!important}
.frame{border:1px solid var(--grid);border-radius:6px;background:var(--back);position:relative;overflow:hidden}
.bar{display:flex;flex-wrap:wrap;gap:6px;align-items:center;padding:6px 8px;border-bottom:1px solid var(--grid)}
button,input{font:inherit;color:var(--text);background:var(--band);border:1px solid var(--edge);border-radius:4px;padding:2px 8px;min-height:26px}
button{cursor:pointer}
button:hover{border-color:var(--text)}
input{width:230px;max-width:100%}
:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
canvas{display:block;width:100%;touch-action:pan-y}
canvas:focus-visible{outline-offset:-2px}
.map{cursor:ew-resize;border-bottom:1px solid var(--grid);touch-action:none}
.main{cursor:crosshair}
.note{color:var(--dim);font-size:12px;margin-left:auto}
.tip{position:absolute;pointer-events:none;z-index:2;max-width:420px;background:var(--back);border:1px solid var(--edge);border-radius:4px;padding:4px 8px;font-size:12px;box-shadow:0 2px 8px rgba(0,0,0,.25);overflow-wrap:anywhere}
.tip b{display:block}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;padding:6px 8px;font-size:12px;color:var(--dim);border-top:1px solid var(--grid)}
i{display:inline-block;width:14px;height:10px;margin-right:5px;border-radius:2px}
i.hatch{background-image:repeating-linear-gradient(135deg,transparent 0 2px,var(--back) 2px 4px)}
.panel{border-top:1px solid var(--grid);padding:8px}
.panel h6{font-size:13px;margin:0 0 6px;display:inline-block}
.panel button{margin-left:8px}
.tables{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr));gap:10px 20px}
table{border-collapse:collapse;width:100%;font-size:12px;table-layout:fixed}
caption{text-align:left;font-weight:600;padding:4px 0}
th{text-align:left;font-weight:400}
thead th{color:var(--dim)}
th div{display:flex;gap:6px;align-items:center;white-space:nowrap}
th i{flex:none;margin:0}
th span{overflow:hidden;text-overflow:ellipsis}
th b{flex:none;font-weight:400;color:var(--dim)}
th:nth-child(n+2){width:68px}
th:nth-child(3){width:52px}
td{white-space:nowrap}
td,th:not(:first-child){text-align:right;padding:1px 4px;vertical-align:top}
.dim{color:var(--dim);margin:2px 0;font-size:12px}
.help{padding:8px 12px;border-top:1px solid var(--grid);font-size:12px}
.help dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 12px;margin:0}
.help dt{font-weight:600}
.help dd{margin:0}
.said{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
`;
