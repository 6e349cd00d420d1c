"use strict";
(function () {
  var byId = function (id) { return document.getElementById(id); };
  var radios = document.querySelectorAll("input[name=language]");

  function language() { return byId("in-zh").checked ? "zh" : "en"; }

  function speak() {
    var now = language();
    document.documentElement.lang = now === "zh" ? "zh-CN" : "en";
    name();
    document.querySelectorAll("[data-en]").forEach(function (node) { node.textContent = node.getAttribute("data-" + now); });
    try { localStorage.setItem("consilium-report-language", now); } catch (error) { /* a page may have no storage */ }
    if (list) tell();
  }

  function remembered() {
    if (location.hash === "#zh" || location.hash === "#en") return location.hash.slice(1);
    try {
      var kept = localStorage.getItem("consilium-report-language");
      if (kept === "zh" || kept === "en") return kept;
    } catch (error) { /* a page may have no storage */ }
    return /^zh/i.test(navigator.language || "") ? "zh" : "en";
  }

  var PAGE = 25, list = byId("list"), data = list && JSON.parse(byId("data").textContent);
  var found = [], at = 0, turned = false;

  function sortBy() { return byId("sort") ? byId("sort").value : ""; }

  function matches(row, words, facets) {
    return words.every(function (word) { return row.s.indexOf(word) >= 0; }) &&
      facets.every(function (pair) { return (row.f[pair[0]] || []).indexOf(pair[1]) >= 0; });
  }

  function choose() {
    var words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    var facets = Array.prototype.map.call(document.querySelectorAll("select[data-facet]"), function (node) {
      return [node.getAttribute("data-facet"), node.value];
    }).filter(function (pair) { return pair[1]; });
    var name = sortBy(), sign = turned ? -1 : 1;
    found = data.rows.filter(function (row) { return matches(row, words, facets); });
    found = found.map(function (row, index) { return [row, index]; }).sort(function (x, y) {
      if (!name) return sign * (x[1] - y[1]); // as they come: failed ones, then the worst
      var a = x[0].m[name], b = y[0].m[name];
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined) || x[1] - y[1];
      return sign * (a - b) || x[1] - y[1];
    }).map(function (pair) { return pair[0]; });
    at = 0;
    show();
  }

  function fill() {
    var name = sortBy() || data.main;
    list.innerHTML = found.slice(at, at + PAGE).map(function (row) { return row.h; }).join("");
    list.querySelectorAll("details > summary > .score").forEach(function (node, index) {
      var value = found[at + index].m[name];
      node.textContent = value === undefined ? "–" : value.toFixed(3).replace("-", "−");
    });
  }

  function tell() {
    var last = Math.min(at + PAGE, found.length), zh = language() === "zh";
    byId("where").textContent = !found.length ? (zh ? "没有符合条件的样例" : "No example fits. Clear the search or a filter.")
      : zh ? "第 " + (at + 1) + "–" + last + " 条，共 " + found.length + " 条" : (at + 1) + "–" + last + " of " + found.length;
    byId("back").disabled = at === 0;
    byId("next").disabled = last >= found.length;
  }

  function name() { // what the number beside each example is
    var sort = byId("sort");
    if (!sort) return;
    var option = Array.prototype.find.call(sort.options, function (one) { return one.value === (sort.value || data.main); });
    ["en", "zh"].forEach(function (one) { byId("shown").setAttribute("data-" + one, option.getAttribute("data-" + one)); });
    byId("shown").textContent = option.getAttribute("data-" + language());
  }

  function show() {
    fill();
    name();
    tell();
  }

  function turnPage(step) {
    at += step * PAGE;
    show();
    byId("examples").scrollIntoView();
  }

  if (list) {
    byId("only").hidden = true;
    byId("controls").hidden = false;
    document.querySelector(".pager").hidden = false;
    byId("controls").addEventListener("submit", function (event) { event.preventDefault(); });
    byId("controls").addEventListener("input", choose);
    if (byId("turn")) byId("turn").addEventListener("click", function () {
      turned = !turned;
      this.setAttribute("aria-pressed", String(turned));
      choose();
    });
    byId("back").addEventListener("click", function () { turnPage(-1); });
    byId("next").addEventListener("click", function () { turnPage(1); });
  }

  byId(remembered() === "zh" ? "in-zh" : "in-en").checked = true;
  radios.forEach(function (node) { node.addEventListener("change", speak); });
  if (list) { choose(); }
  speak();
})();
