"""How the report looks: one style sheet, one script of a few lines. Constants, no logic.

Colors are CSS variables, so light, dark and print are three sets of values. Arms have the hues
`--a0..9` (0, gray, is the baseline) and sources `--s0..9`; meaning never rests on color alone.
"""

from __future__ import annotations

ARM_COLORS = 10
SOURCE_COLORS = 10

STYLE = """
:root{--paper:#fbfbf9;--card:#fff;--ink:#1c1e21;--soft:#5b626b;--faint:#8b929b;--line:#e2e3e0;
--fill:#f0f1ee;--accent:#2560b8;--good:#14734f;--bad:#b3312a;--even:#5b626b;--open:#8f5a00;
--goodwash:#e2f2ea;--badwash:#fbe6e4;--evenwash:#ecedef;--openwash:#fbf0d9;
--a0:#7d848d;--a1:#2367c9;--a2:#cf6a0c;--a3:#158466;--a4:#9a45b0;--a5:#bf3a4a;--a6:#7a6a10;
--a7:#0f7f93;--a8:#a3567f;--a9:#5b5fd0;--s0:#4a78b5;--s1:#e0a04a;--s2:#5aa68c;--s3:#c56a6d;--s4:#8c79b8;--s5:#9bb25a;--s6:#6fb3cc;
--s7:#c98cb4;--s8:#a08060;--s9:#8d9399;--band:#eceee9}
@media (prefers-color-scheme:dark){:root{--paper:#15171a;--card:#1c1f23;--ink:#e8e9ea;
--soft:#a6adb5;--faint:#7d858e;--line:#32363c;--fill:#25292e;--accent:#7fb0f5;--good:#5fcf9f;
--bad:#f28b82;--even:#a6adb5;--open:#e8b95a;--goodwash:#173528;--badwash:#402220;
--evenwash:#2b2f34;--openwash:#3a2f17;--a0:#9aa1aa;--a1:#6ea5f5;--a2:#f0994a;--a3:#4cc3a0;
--a4:#cd8ae0;--a5:#f07f8c;--a6:#cdb94f;--a7:#4fc0d4;--a8:#dd94ba;--a9:#9b9ef7;--s0:#6d9ad6;--s1:#e3ad62;--s2:#6cbfa3;--s3:#d98487;
--s4:#a795d3;--s5:#adc46c;--s6:#84c5dd;--s7:#d9a0c6;--s8:#b8977a;--s9:#a0a6ac;--band:#272c2f}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header>div,footer{max-width:1080px;margin:0 auto;padding:0 24px}
header{background:var(--card);border-bottom:1px solid var(--line);padding:30px 0 0}
h1{font-size:30px;line-height:1.2;letter-spacing:-.015em;margin:4px 0 10px;text-wrap:balance}
h2{font-size:21px;letter-spacing:-.01em;margin:0 0 4px;scroll-margin-top:60px}
h3{font-size:15px;margin:24px 0 6px}
p{margin:6px 0;max-width:74ch}
.kicker{color:var(--soft);font-size:13px;margin:0}
.lead{color:var(--soft);margin:0 0 14px}
section{padding:34px 0 10px;border-bottom:1px solid var(--line)}
section.empty{padding:16px 0 12px}section.empty h2{font-size:16px;display:inline;margin-right:8px}
section.empty p{display:inline;color:var(--soft)}
nav{position:sticky;top:0;z-index:2;background:var(--card);border-bottom:1px solid var(--line)}
nav div{max-width:1080px;margin:0 auto;padding:0 24px;display:flex;gap:16px;overflow-x:auto;
scrollbar-width:none}
nav a{color:var(--soft);text-decoration:none;font-size:13px;padding:10px 0;white-space:nowrap}
nav a:hover,a{color:var(--accent)}
.num{font-variant-numeric:tabular-nums}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(270px,100%),1fr));
gap:14px;margin:18px 0}
.verdict{border:1px solid var(--line);border-left:4px solid var(--c);border-radius:8px;
padding:14px 16px;background:var(--card)}
.verdict .top{display:flex;justify-content:space-between;align-items:center;gap:8px}
.verdict p.big{color:var(--ink);font-size:27px;font-weight:650;letter-spacing:-.02em;margin:4px 0 0;
font-variant-numeric:tabular-nums}
.verdict .big small{font-size:14px;font-weight:400;color:var(--soft);letter-spacing:0}
.verdict p{margin:2px 0;color:var(--soft);font-size:13.5px}
.facts{display:flex;flex-wrap:wrap;gap:10px 26px;margin:18px 0 22px;padding:0}
.facts div{min-width:84px}.facts dt{color:var(--soft);font-size:12.5px}
.facts dd{margin:0;font-size:18px;font-weight:600;font-variant-numeric:tabular-nums}
.facts dd small{font-weight:400;font-size:13px;color:var(--soft)}
.badge{display:inline-block;border-radius:99px;padding:1px 10px;font-size:12.5px;font-weight:600;
white-space:nowrap}
.better{color:var(--good);background:var(--goodwash)}.worse{color:var(--bad);
background:var(--badwash)}.equivalent{color:var(--even);background:var(--evenwash)}
.undecided{color:var(--open);background:var(--openwash)}
.scroll{overflow:auto hidden;margin:8px 0 16px}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
caption span{display:inline-block;max-width:calc(100vw - 36px)}
caption{text-align:left;color:var(--soft);font-size:13px;padding:0 0 6px;caption-side:top}
th,td{padding:5px 12px 5px 0;text-align:left;vertical-align:middle}
td{border-top:1px solid var(--line)}td:last-child,th:last-child{padding-right:0}
thead th{color:var(--soft);font-weight:500;font-size:12.5px;vertical-align:bottom;
white-space:nowrap}
tbody th{font-weight:500;border-top:1px solid var(--line)}
.r{text-align:right}.q{color:var(--soft)}.nb{white-space:nowrap}
th button{all:unset;cursor:pointer}th button:focus-visible{outline:2px solid var(--accent)}
th button:hover{color:var(--ink)}
th[aria-sort=ascending] button:after{content:" \\2191"}
th[aria-sort=descending] button:after{content:" \\2193"}
code,pre,.hash{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
font-size:12.5px}
.hash{color:var(--soft);overflow-wrap:anywhere}
pre{background:var(--fill);border-radius:6px;padding:10px 12px;overflow:auto;max-height:230px;
margin:6px 0;white-space:pre-wrap;overflow-wrap:anywhere}
details{margin:4px 0}summary{cursor:pointer;padding:3px 0}
details>div{padding:2px 0 8px 18px}
.excerpt{border-left:2px solid var(--line);padding:1px 0 1px 12px;margin:10px 0}
.excerpt p{margin:2px 0;font-size:13px}
.swatch{display:inline-block;width:10px;height:10px;border-radius:3px;background:var(--c);
margin-right:6px}
.legend{display:flex;flex-wrap:wrap;gap:3px 16px;font-size:13px;color:var(--soft);margin:6px 0}
.legend span,td>span,th>span{white-space:nowrap}
figure{margin:0;display:flex;flex-direction:column}figure svg{margin-top:auto;padding-top:8px}
figcaption{font-size:13.5px;font-weight:600;margin:0 0 2px}
figcaption small{display:block;font-weight:400;color:var(--soft);font-size:12.5px}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(430px,100%),1fr));
gap:22px 30px;margin:14px 0}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-size:11.5px;fill:var(--soft);font-family:inherit}
svg .axis{stroke:var(--line);stroke-width:1}svg .zero{stroke:var(--faint);stroke-width:1}
svg .pool{fill:var(--a0);opacity:.28}
svg .step{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}
svg .seed{fill:none;stroke:var(--c);stroke-width:.8;opacity:.38}
svg .band{fill:var(--c);opacity:.13;stroke:none}
svg .point{fill:var(--c);stroke:var(--card);stroke-width:1.5}
svg .whisker{stroke:var(--c);stroke-width:1.5}
svg .loss{fill:var(--badwash)}
svg .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
svg .cut{stroke:var(--c);stroke-width:1.3;stroke-dasharray:4 3}
svg .tagged{fill:var(--c);font-weight:600}
.bar{display:flex;height:16px;border-radius:3px;overflow:hidden;background:var(--fill)}
.bar i{display:block;height:100%;background:var(--c);box-shadow:inset -1px 0 0 var(--card)}
.bar i:last-child,.bar .thin{box-shadow:none}
.bar .gone{background:repeating-linear-gradient(135deg,var(--line) 0 2px,transparent 2px 5px)}
.wide{width:42%;min-width:130px}
.meter{height:8px;min-width:60px;background:var(--fill);border-radius:2px}
.meter i{display:block;height:100%;border-radius:2px;background:var(--c,var(--a1))}
table.fit{width:auto;min-width:min(100%,600px)}
.heat{table-layout:fixed;min-width:560px}.heat thead th{white-space:normal;overflow-wrap:anywhere}
td.error{min-width:180px}
.heat td.h{text-align:right;padding:5px 10px;border-left:2px solid var(--card);
background:color-mix(in srgb,var(--accent) calc(var(--v)*42%),var(--card))}
.heat thead th.r{padding-right:10px}
.effects td.e{text-align:right;padding:5px 10px;border-left:2px solid var(--card);
white-space:nowrap}
td.e.undecided,td.e.equivalent{background:none;color:var(--soft)}
.beware{color:var(--bad);font-size:12.5px}p.beware{font-size:14px}
.conserve{font-size:17px;margin:10px 0 8px;max-width:none}
.conserve b{font-variant-numeric:tabular-nums}
.track{position:relative;height:22px;min-width:150px}
.track>*{position:absolute}
.track .margin{top:-6px;bottom:-6px;background:var(--band)}
.track .zeroline{top:-6px;bottom:-6px;width:1px;background:var(--faint)}
.track .span{top:10px;height:2px;background:var(--c)}
.track .cap{top:6px;height:10px;width:2px;margin-left:-1px;background:var(--c)}
.track .dot{top:6px;width:10px;height:10px;margin-left:-5px;border-radius:50%;background:var(--c);
box-shadow:0 0 0 2px var(--card)}
.scale{position:relative;height:34px}.scale span{position:absolute;bottom:0;
transform:translateX(-50%);font-size:11.5px}
.scale b{position:absolute;top:0;font-weight:500;font-size:11.5px;white-space:nowrap}
.forest td>span:not(.badge){white-space:normal}
.forest{table-layout:fixed}.forest th,.forest td{overflow-wrap:anywhere}
.forest .metric{width:18%}.forest .arm{width:11%}.forest .diff{width:22%}.forest .says{width:12%}
.forest .seeds{width:7%}.forest .plot{padding-right:22px}
.forest .next .metric{width:auto}
.forest tbody tr.next td,.forest tbody tr.next th{border-top-color:transparent}
dl.words{display:grid;grid-template-columns:minmax(110px,max-content) 1fr;gap:5px 20px;margin:8px 0}
dl.words dt{font-weight:600}dl.words dd{margin:0;color:var(--soft);max-width:70ch}
abbr{text-decoration:underline dotted var(--faint);text-underline-offset:3px;cursor:help}
footer{padding-top:18px;padding-bottom:40px;color:var(--soft);font-size:13px}
@media (max-width:680px){main,header>div,footer,nav div{padding-left:16px;padding-right:16px}
h1{font-size:24px}header{padding-top:20px}section{padding-top:26px}
.facts{gap:10px 26px}.conserve{font-size:15px}
.wide{width:30%;min-width:90px}.bar{height:14px}
dl.words{grid-template-columns:1fr}dl.words dd{margin-bottom:6px}}
@media screen and (max-width:880px){
.forest thead tr{display:block}.forest thead th{display:none}
.forest thead th.plot{display:block;padding:0}
.forest tbody tr{display:grid;grid-template-columns:1fr auto;border-top:1px solid var(--line);
padding:7px 0}.forest tbody tr.next{border-top:0;padding-top:0}
.forest tbody th,.forest td{border:0;padding:1px 0}
.forest tbody td,.forest tbody th{width:auto!important}
.forest td.plot{grid-column:1/-1;order:1;padding:4px 0}
.forest .metric{grid-column:1/-1;font-weight:600}.forest tr.next .metric{display:none}
.forest td.seeds:after{content:" seeds";color:var(--soft)}}
@media print{:root{--paper:#fff}nav,th button:after{display:none}body{font-size:9.5pt}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
table,caption,thead th,pre,code{font-size:8pt}.badge{font-size:8pt;padding:0 6px}
h2,h3,caption,.lead,.legend{break-after:avoid}figure,tr,.verdict,.facts{break-inside:avoid}
.plots{grid-template-columns:1fr 1fr;gap:14px 20px}.cards{grid-template-columns:repeat(3,1fr)}
.verdict p.big{font-size:17pt}section{padding-top:18px}.forest .plot{width:28%}
.forest .diff{width:26%}.scroll{overflow:visible}td.error{min-width:0}code{white-space:normal}
main,header>div,footer{padding-left:0;padding-right:0}}
"""

# Click a column head to sort; the page reads the same without it.
SCRIPT = """
for(const t of document.querySelectorAll('table.sort')){
const heads=[...t.tHead.rows[0].cells];
heads.forEach((h,i)=>{const b=document.createElement('button');b.append(...h.childNodes);
h.append(b);
b.onclick=()=>{const down=h.getAttribute('aria-sort')!=='descending';
heads.forEach(o=>o.removeAttribute('aria-sort'));
h.setAttribute('aria-sort',down?'descending':'ascending');
const key=r=>r.cells[i].dataset.v??r.cells[i].textContent;
[...t.tBodies[0].rows].sort((x,y)=>{const p=key(x),q=key(y);
const d=isNaN(p)||isNaN(q)||p===''||q===''?p.localeCompare(q):p-q;return down?-d:d})
.forEach(r=>t.tBodies[0].append(r))}})}
"""
